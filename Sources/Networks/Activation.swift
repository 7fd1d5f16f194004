public import TinctureTensors
public import TinctureTorch

/// The function between the two layers of a transformer's perceptron.
public enum Activation: String, Sendable, Hashable, CaseIterable {
  /// x/2 · (1 + erf(x/√2)).
  case gelu
  /// x/2 · (1 + tanh(√(2/π) · (x + 0.044715 x³))).
  case geluTanh = "gelu_tanh"
  /// x · σ(1.702 x), which OpenAI's CLIP uses.
  case quickGelu = "quick_gelu"
  /// max(x, 0).
  case relu
  /// x · σ(x).
  case silu

  /// Applies the function to every element.
  public func callAsFunction(_ x: TorchTensor) throws(TinctureError) -> TorchTensor {
    switch self {
    case .gelu: try x.gelu()
    case .geluTanh: try x.gelu(.tanh)
    case .quickGelu: try x * (x * 1.702).sigmoid()
    case .relu: try x.relu()
    case .silu: try x.silu()
    }
  }
}
