internal import SystemPackage
public import TinctureSafetensors
public import TinctureTensors

extension Mixture {
  /// The elements of a tensor of the file.
  ///
  /// - Parameter tensor: The tensor.
  /// - Returns: The elements in row-major order.
  /// - Throws: `io` when reading fails, `checkpoint` for an element that is not finite.
  public func values(_ tensor: StoredTensor) throws(TinctureError) -> ContiguousArray<Float> {
    guard tensor.dtype.isArithmetic else { throw fault("has no numbers", tensor) }
    let bytes = try file.file.bytes(at: tensor.byteOffset, count: tensor.byteCount)
    var values = ContiguousArray<Float>(repeating: 0, count: tensor.shape.elementCount)
    var span = values.mutableSpan
    let largest = bytes.withUnsafeBytes { Kernels.widen($0, as: tensor.dtype, into: &span) }
    guard largest < Float.infinity.bitPattern else {
      throw fault("has an element that is not finite", tensor)
    }
    return values
  }

  /// The places of the elements of a sparse vector that are stored, in their order.
  ///
  /// - Throws: `checkpoint` when there are not as many as values.
  public func places(
    mask: StoredTensor, values: StoredTensor, of shape: Shape
  ) throws(TinctureError) -> [Int] {
    let bytes = try file.file.bytes(at: mask.byteOffset, count: mask.byteCount)
    var places: [Int] = []
    places.reserveCapacity(values.shape.elementCount)
    for (position, byte) in bytes.enumerated() where byte != 0 {
      for bit in 0..<8 where byte >> UInt8(bit) & 1 == 1 { places.append(8 * position + bit) }
    }
    guard places.count == values.shape.elementCount, places.last ?? -1 < shape.elementCount else {
      throw fault("has \(places.count) marks for \(values.shape.elementCount) values", mask)
    }
    return places
  }

  /// Adds a vector to numbers.
  ///
  /// - Parameters:
  ///   - vector: The vector.
  ///   - factor: What it is multiplied by.
  ///   - output: As many numbers as the vector has elements.
  /// - Throws: `io` when reading fails, `checkpoint` when it is malformed.
  /// - Complexity: O(n), with factors of rank r O(n r).
  public func add(
    _ vector: Vector, times factor: Float, to output: inout ContiguousArray<Float>
  ) throws(TinctureError) {
    precondition(output.count == vector.shape.elementCount, "A vector has as many elements.")
    switch vector.form {
    case .dense(let tensor):
      let values = try values(tensor)
      var target = output.mutableSpan
      Kernels.add(values.span, times: factor, to: &target)
    case .sparse(let mask, let stored):
      let places = try places(mask: mask, values: stored, of: vector.shape)
      for (place, value) in zip(places, try values(stored)) { output[place] += factor * value }
    case .lowRank(let left, let right):
      let (rank, width) = (right.shape.extents[0], right.shape.extents[1])
      let (columns, rows) = (try values(left), try values(right))
      let all = rows.span
      for row in 0..<vector.shape.extents[0] {
        var span = output.mutableSpan
        var target = span._mutatingExtracting(row * width..<(row + 1) * width)
        for k in 0..<rank {
          Kernels.add(
            all.extracting(k * width..<(k + 1) * width), times: factor * columns[row * rank + k],
            to: &target)
        }
      }
    }
  }

  /// What the inputs of a task were mixed with on average.
  ///
  /// - Parameter task: The number of the task.
  /// - Returns: A factor for each expert by module.
  /// - Throws: `checkpoint` when the file does not say.
  public func meanWeights(_ task: Int) throws(TinctureError) -> [String: [Float]] {
    guard let means else {
      throw TinctureError(
        .checkpoint,
        "The mixture does not say with what the inputs of a task are mixed on average.",
        at: .init(file: file.file.path.string))
    }
    let values = try values(means)
    let count = experts.count
    var found: [String: [Float]] = [:]
    for (place, module) in modules.enumerated() {
      let start = (task * modules.count + place) * count
      found[module] = Array(values[start..<start + count])
    }
    return found
  }

  private func fault(_ what: String, _ tensor: StoredTensor) -> TinctureError {
    TinctureError(
      .checkpoint, "The tensor of the mixture \(what).",
      at: .init(file: file.file.path.string, tensor: tensor.name))
  }
}
