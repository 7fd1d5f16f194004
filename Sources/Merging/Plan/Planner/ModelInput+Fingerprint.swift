internal import TinctureCheckpoints
public import TinctureTensors

extension ModelInput {
  /// What tells this model from another: the names, types and shapes of its tensors, and samples of their
  /// elements.
  ///
  /// - Returns: Sixteen hexadecimal digits; the same for the same weights wherever they lie.
  /// - Throws: `io` when reading fails.
  /// - Complexity: O(n) for n tensors: at most 768 elements of each are read.
  public func sampledFingerprint() throws(TinctureError) -> String {
    var hash = Fingerprint()
    let window = ReadWindow(byteCount: 1 << 12)
    for name in checkpoint.names.sorted() {
      guard let reader = try reader(name) else { continue }
      hash.combine("\(name) \(reader.dtype.rawValue) \(reader.shape)")
      guard reader.dtype.isArithmetic else { continue }
      let count = reader.shape.elementCount
      let length = min(256, count)
      var values = ContiguousArray<Float>(repeating: 0, count: length)
      for start in Set([0, (count - length) / 2, count - length]).sorted() where length > 0 {
        var span = values.mutableSpan
        _ = try reader.read(start..<start + length, into: &span, window: window)
        values.withUnsafeBytes { hash.combine($0) }
      }
      window.kept = [:]
    }
    return hash.text
  }
}
