public import TinctureTensors

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

// Random numbers are our own: element i of a stream is the same on every device and for any number of
// threads.
extension TorchTensor {
  /// Numbers uniform in [low, high).
  ///
  /// - Parameters:
  ///   - shape: The extents.
  ///   - random: The stream; element i of the tensor is number start + i.
  ///   - start: The index of the first element.
  ///   - low: The smallest number.
  ///   - high: What all numbers are below.
  ///   - device: Where the tensor shall lie.
  /// - Returns: A tensor of f32.
  /// - Throws: `engine` when memory runs out.
  public static func uniform(
    _ shape: [Int], _ random: CounterRandom, from start: Int = 0, low: Double = 0, high: Double = 1,
    on device: TorchDevice = .cpu
  ) throws(TinctureError) -> TorchTensor {
    let count = shape.reduce(1, *)
    let values = (0..<Swift.max(0, count)).map {
      Float(low + (high - low) * random.uniform(at: start + $0))
    }
    return try TorchTensor(values, shape: shape, on: device)
  }

  /// Numbers of the normal distribution with mean zero.
  ///
  /// Element i is deviation · √(−2 ln(1 − u)) · cos(2πv), with the uniform numbers u and v of the indices
  /// 2(start + i) and 2(start + i) + 1.
  ///
  /// - Parameters:
  ///   - shape: The extents.
  ///   - random: The stream.
  ///   - start: The index of the first element.
  ///   - deviation: The standard deviation.
  ///   - device: Where the tensor shall lie.
  /// - Returns: A tensor of f32.
  /// - Throws: `engine` when memory runs out.
  public static func normal(
    _ shape: [Int], _ random: CounterRandom, from start: Int = 0, deviation: Double = 1,
    on device: TorchDevice = .cpu
  ) throws(TinctureError) -> TorchTensor {
    let count = shape.reduce(1, *)
    let values = (0..<Swift.max(0, count)).map { index in
      let u = random.uniform(at: 2 * (start + index))
      let v = random.uniform(at: 2 * (start + index) + 1)
      #if canImport(Glibc)
        let radius = Glibc.sqrt(-2 * Glibc.log(1 - u))
        return Float(deviation * radius * Glibc.cos(2 * .pi * v))
      #else
        let radius = Darwin.sqrt(-2 * Darwin.log(1 - u))
        return Float(deviation * radius * Darwin.cos(2 * .pi * v))
      #endif
    }
    return try TorchTensor(values, shape: shape, on: device)
  }

  /// The elements with some set to zero and the others scaled, so that the expectation stays.
  ///
  /// - Parameters:
  ///   - probability: The probability of each element to become zero, below one.
  ///   - random: The stream.
  ///   - start: The index of the first element; a training step takes numbers that no other takes.
  /// - Returns: A tensor of the same shape and dtype.
  /// - Throws: `engine` when memory runs out.
  public func dropout(
    _ probability: Double, _ random: CounterRandom, from start: Int
  ) throws(TinctureError) -> TorchTensor {
    let scale = Float(1 / (1 - probability))
    let mask = (0..<elementCount).map {
      random.uniform(at: start + $0) < probability ? 0 : scale
    }
    let factors = try TorchTensor(mask, shape: shape, on: device)
    return try self * factors.converted(like: self)
  }
}
