/// Coefficients λ of task vectors: a row for each tensor, or one row for all, and a column for each task.
///
/// What is learned is the raw table; what a model is merged with are the raw values brought into bounds. Where
/// a raw value is out of bounds its derivative is zero, as that of a clamp is.
public struct CoefficientTable: Sendable, Hashable {
  /// Which tensors share coefficients.
  public enum Granularity: String, Sendable, Hashable, CaseIterable {
    /// All of them: one coefficient for each task.
    case task = "task_wise"
    /// None: one for each task and tensor.
    case layer = "layer_wise"
  }

  /// Which tensors share coefficients.
  public let granularity: Granularity
  /// How many tensors there are.
  public let tensorCount: Int
  /// How many tasks there are.
  public let taskCount: Int
  /// Between what coefficients are used; nil uses them as they are.
  public let bounds: ClosedRange<Float>?
  /// The raw values, row after row.
  public internal(set) var raw: [Float]

  /// Creates a table whose coefficients are all equal.
  ///
  /// - Parameters:
  ///   - granularity: Which tensors share coefficients.
  ///   - tensorCount: How many tensors there are.
  ///   - taskCount: How many tasks there are.
  ///   - start: The value of every coefficient.
  ///   - bounds: Between what coefficients are used.
  public init(
    _ granularity: Granularity, tensorCount: Int, taskCount: Int, start: Float,
    bounds: ClosedRange<Float>? = 0...1
  ) {
    self.granularity = granularity
    self.tensorCount = tensorCount
    self.taskCount = taskCount
    self.bounds = bounds
    let rows = granularity == .task ? 1 : tensorCount
    raw = Array(repeating: start, count: rows * taskCount)
  }

  /// The raw values of a tensor.
  func places(_ tensor: Int) -> Range<Int> {
    let row = granularity == .task ? 0 : tensor
    return row * taskCount..<(row + 1) * taskCount
  }

  /// The coefficients of a tensor, one for each task.
  public func coefficients(_ tensor: Int) -> [Float] {
    raw[places(tensor)].map(used)
  }

  private func used(_ value: Float) -> Float {
    guard let bounds else { return value }
    return min(max(value, bounds.lowerBound), bounds.upperBound)
  }

  /// The derivative with respect to the raw values from that with respect to each tensor's coefficients.
  ///
  /// - Parameter products: ⟨∂loss/∂θ, τ⟩ of each tensor and task, tensor after tensor.
  /// - Returns: A derivative for each raw value.
  public func gradient(_ products: [Double]) -> [Float] {
    var sums = [Double](repeating: 0, count: raw.count)
    for tensor in 0..<tensorCount {
      for (task, place) in places(tensor).enumerated() {
        sums[place] += products[tensor * taskCount + task]
      }
    }
    return raw.indices.map { place in
      bounds.map { $0.contains(raw[place]) } ?? true ? Float(sums[place]) : 0
    }
  }
}
