internal import SystemPackage
internal import TinctureSafetensors
public import TinctureTensors

extension ExpertBank {
  /// Reads the whole bank and checks it against its digests; also that scales are finite and positive,
  /// that zeros are finite, that indices are sound and that unused bits are zero.
  ///
  /// - Parameter check: Throws when the user wants to stop.
  /// - Returns: Everything that is wrong, in the order of the names; empty for a sound bank.
  /// - Throws: `io` when reading fails.
  /// - Complexity: O(n) in the size of the file.
  public func faults(check: () throws(TinctureError) -> Void = {}) throws(TinctureError)
    -> [TinctureError]
  {
    var faults: [TinctureError] = []
    for name in parts.keys.sorted() {
      try check()
      guard let part = parts[name] else { continue }
      var digest = PartDigest()
      var position = 0
      while position < part.byteCount {
        let count = min(1 << 20, part.byteCount - position)
        let bytes = try file.bytes(at: part.byteOffset + position, count: count)
        bytes.withUnsafeBytes { digest.update($0) }
        position += count
      }
      if digest.finish() != manifest.digests[name] {
        faults.append(
          fault("The bytes are not those that were stored.", name, part.byteOffset))
      }
    }
    for (tensor, owners) in manifest.records.sorted(by: { $0.key < $1.key }) {
      for (owner, record) in owners.sorted(by: { $0.key < $1.key }) {
        guard let vector = vector(tensor, of: owner) else { continue }
        do throws(TinctureError) {
          switch record.content {
          case .affine(let bits, let grouping):
            try vector.checkRanges(bits, grouping)
            try vector.checkPadding("codes", record.shape.elementCount, bits)
          case .lowRank(let rank): try vector.checkFactors(rank)
          case .mask: try vector.checkPadding("mask", record.shape.elementCount, 1)
          case .sparse(let layout): try vector.checkSparse(layout)
          case .binary(let layout): try vector.checkBinary(layout)
          case .elements, .constant, .absent: break
          }
        } catch { faults.append(error.located(file: file.path.string, tensor: tensor)) }
      }
    }
    return faults
  }

  private func fault(_ message: String, _ part: String, _ offset: Int) -> TinctureError {
    TinctureError(
      .checkpoint, message,
      at: .init(file: file.path.string, byteOffset: offset, tensor: part))
  }
}

extension BankVector {
  /// Checks all scales and zeros.
  fileprivate func checkRanges(_ bits: Int, _ grouping: CodeGrouping) throws(TinctureError) {
    let count = grouping.count(in: record.shape)
    for start in stride(from: 0, to: count, by: 4096) {
      _ = try quantizers(start..<min(start + 4096, count), bits)
    }
  }

  /// Checks that the bits after the last code are zero.
  func checkPadding(_ suffix: String, _ count: Int, _ bits: Int) throws(TinctureError) {
    let part = try part(suffix)
    let used = count * bits
    let first = used / 8
    let tail = try bank.file.bytes(at: part.byteOffset + first, count: part.byteCount - first)
    for (index, byte) in tail.enumerated() {
      let mask: UInt8 = index == 0 ? UInt8(truncatingIfNeeded: 0xff << (used % 8)) : 0xff
      guard byte & mask == 0 else {
        throw TinctureError(.checkpoint, "There are bits after the last code.")
      }
    }
  }
}
