internal import TinctureTensors

/// Banks hold finite numbers only: a mean, a range or a mask of others would spoil every expert.
enum FiniteElements {
  /// The bits of the magnitude of infinity.
  static let limit: UInt32 = 0x7f80_0000

  /// Checks that all elements of a block are finite.
  ///
  /// - Parameters:
  ///   - x: The elements.
  ///   - start: The index of the first one in its tensor.
  /// - Throws: `checkpoint` that names the first element that is not.
  static func require(_ x: Span<Float>, from start: Int) throws(TinctureError) {
    guard Kernels.largestMagnitude(x) >= limit else { return }
    for index in 0..<x.count where !x[index].isFinite {
      throw TinctureError(
        .checkpoint,
        "Element \(start + index) is \(x[index]); a bank stores finite numbers only. Repair the"
          + " checkpoint.")
    }
  }
}
