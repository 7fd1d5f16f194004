internal import Synchronization
public import TinctureTensors

/// Differentiation along a direction: f(x) and J ẋ in one pass.
///
/// Every operator carries the derivative of its result along with it; one pass costs about two or three ordinary ones,
/// and nothing is kept for later. LibTorch has one such pass at a time, so passes of several threads wait for
/// each other. Within a pass attention is computed by its formula, because the fused operators have no forward
/// derivative.
public enum ForwardMode {
  @TaskLocal static var isActive = false

  private static let lock = Mutex<Void>(())

  /// The value of a function and its derivative along a direction.
  ///
  /// - Parameters:
  ///   - points: Where, tensors by their names.
  ///   - directions: ẋ for some of them, with their shapes and dtypes; the others do not move.
  ///   - body: The function, of the tensors by their names.
  /// - Returns: The value and J ẋ, which has its shape; zeros where nothing moves the value.
  /// - Throws: What the body throws; `missingFacility` when this LibTorch cannot, `engine` when an operator has
  ///   no forward derivative.
  /// - Note: Schemas: `aten::_make_dual(Tensor primal, Tensor tangent, int level)`,
  ///   `aten::_unpack_dual(Tensor dual, int level)`.
  public static func derivative(
    at points: [String: TorchTensor], along directions: [String: TorchTensor],
    of body: ([String: TorchTensor]) throws(TinctureError) -> TorchTensor
  ) throws(TinctureError) -> (value: TorchTensor, derivative: TorchTensor) {
    let library = try LibTorch.current()
    guard let enter = library.functions.enterForwardMode,
      let leave = library.functions.leaveForwardMode
    else {
      throw TinctureError(
        .missingFacility,
        "This LibTorch does not offer forward differentiation. " + LibTorchSearch.remedy)
    }
    return try lock.withLock { (_) throws(TinctureError) in
      let level = Int(enter())
      defer { leave(UInt64(level)) }
      return try $isActive.withValue(true) {
        Result { () throws(TinctureError) in
          var moving = points
          for (name, direction) in directions.sorted(by: { $0.key < $1.key }) {
            guard let point = points[name] else { continue }
            // A tensor carries one derivative; a fresh one carries none yet.
            moving[name] = try library.call(
              "aten::_make_dual", "", .tensor(point.detached()), .tensor(direction), .int(level))
          }
          let result = try body(moving)
          // What nothing moves has no derivative to be unpacked, so that a zero is added that has one.
          let still = try library.call(
            "aten::_make_dual", "", .tensor(.zeros([], on: result.device)),
            .tensor(.zeros([], on: result.device)), .int(level))
          let (value, derivative) = try library.callForPair(
            "aten::_unpack_dual", "", .tensor(result + still), .int(level))
          // The pass ends here, and with it the memory of derivatives.
          return (try value.copy(), try derivative.copy())
        }
      }.get()
    }
  }
}

extension TorchTensor {
  /// Attention by its formula, from operators that have forward derivatives.
  func plainAttention(
    key: TorchTensor, value: TorchTensor, mask: TorchTensor?, causal: Bool, scale: Double?,
    grouped: Bool
  ) throws(TinctureError) -> TorchTensor {
    var (key, value) = (key, value)
    if grouped {
      let count = shape[1] / Swift.max(1, key.shape[1])
      key = try key.repeatedInterleaved(count, along: 1)
      value = try value.repeatedInterleaved(count, along: 1)
    }
    let factor = scale ?? 1 / Double(shape[shape.count - 1]).squareRoot()
    var scores = try matmul(key.transposed()) * factor
    var hidden: TorchTensor?
    if causal {
      let ones = try TorchTensor.ones([scores.shape[2], scores.shape[3]], on: device)
      hidden = try ones.upperTriangle(diagonal: 1) .!= 0
    } else if let mask {
      if mask.isFloating { scores = try scores + mask } else { hidden = try .!mask }
    }
    if let hidden { scores = try scores.replacing(where: hidden, with: -.infinity) }
    return try scores.softmax().matmul(value)
  }
}
