internal import TinctureSafetensors
internal import TinctureTensors

/// The kept elements of a range.
struct SparseSlice {
  /// Where they lie in the range, in ascending order.
  var places = ContiguousArray<UInt32>()
  /// Their values.
  var values = ContiguousArray<Float>()
}

extension BankVector {
  /// Reads the kept elements of a range.
  ///
  /// - Throws: `io` when reading fails, `checkpoint` when the index does not fit the values or is no
  ///   index, or when a value is not finite.
  /// - Complexity: O(n) in the kept elements of the blocks that the range touches.
  func kept(in range: Range<Int>, _ layout: SparseLayout) throws(TinctureError) -> SparseSlice {
    var slice = SparseSlice()
    guard !range.isEmpty else { return slice }
    let length = layout.blockLength
    let blocks = range.lowerBound / length..<(range.upperBound - 1) / length + 1
    let starts = try blockStarts(blocks, layout)
    guard let first = starts.first, let last = starts.last else { return slice }
    let index = try part("index")
    var bytes = try bank.file.bytes(
      at: index.byteOffset + first.byte, count: last.byte - first.byte)
    bytes += [UInt8](repeating: 0, count: 8)
    var skipped = 0
    var places = ContiguousArray<UInt32>()
    for (block, (start, end)) in zip(blocks, zip(starts, starts.dropFirst())) {
      places.removeAll(keepingCapacity: true)
      guard
        PlaceCode.read(
          start.byte - first.byte..<end.byte - first.byte, of: bytes,
          count: end.value - start.value, length: blockRange(block, layout).count, into: &places)
      else {
        throw Self.fault(
          "The index of block \(block) is none of \(end.value - start.value) elements")
      }
      for place in places {
        let element = block * length + Int(place)
        if element < range.lowerBound {
          skipped += 1
        } else if element < range.upperBound {
          slice.places.append(UInt32(element - range.lowerBound))
        }
      }
    }
    let start = first.value + skipped
    slice.values = try values(start..<start + slice.places.count, layout)
    return slice
  }

  /// Decodes a range of elements.
  func decodeSparse(
    _ range: Range<Int>, _ layout: SparseLayout, _ output: inout MutableSpan<Float>
  ) throws(TinctureError) {
    let slice = try kept(in: range, layout)
    Kernels.clear(&output)
    for index in slice.places.indices { output[Int(slice.places[index])] = slice.values[index] }
  }

  /// ⟨g, v⟩ over a range of elements, from those that are kept.
  func dotSparse(_ g: Span<Float>, over range: Range<Int>, _ layout: SparseLayout)
    throws(TinctureError) -> Double
  {
    let slice = try kept(in: range, layout)
    let factors = ContiguousArray(slice.places.map { g[Int($0)] })
    var product = 0.0
    Kernels.addDot(factors.span, slice.values.span, to: &product)
    return product
  }

  /// Checks the places and the values of all elements, and that the bits after the last code are zero.
  func checkSparse(_ layout: SparseLayout) throws(TinctureError) {
    let count = record.shape.elementCount
    for start in stride(from: 0, to: count, by: PlaceCode.largestLength) {
      _ = try kept(in: start..<min(start + PlaceCode.largestLength, count), layout)
    }
    if case .codes(let quantizer) = layout.values {
      try checkPadding("values", layout.kept, quantizer.bits)
    }
  }

  private func blockRange(_ block: Int, _ layout: SparseLayout) -> Range<Int> {
    let start = block * layout.blockLength
    return start..<min(start + layout.blockLength, record.shape.elementCount)
  }

  /// How many values and how many bytes of the index come before each of some blocks, and after the last.
  private func blockStarts(_ blocks: Range<Int>, _ layout: SparseLayout) throws(TinctureError)
    -> [(value: Int, byte: Int)]
  {
    let part = try part("blocks")
    let total = layout.blockCount(record.shape)
    let count = min(blocks.count + 1, total - blocks.lowerBound)
    let bytes = try bank.file.bytes(at: part.byteOffset + 8 * blocks.lowerBound, count: 8 * count)
    var starts = (0..<count).map { (bytes.number(at: 8 * $0), bytes.number(at: 8 * $0 + 4)) }
      .map { (value: $0.0, byte: $0.1) }
    if blocks.upperBound == total { starts.append((layout.kept, layout.indexSize)) }
    if blocks.lowerBound == 0, let first = starts.first, first != (0, 0) {
      throw Self.fault("Block 0 begins after \(first.value) values and \(first.byte) bytes")
    }
    for (block, (start, end)) in zip(blocks, zip(starts, starts.dropFirst())) {
      let (kept, size) = (end.value - start.value, end.byte - start.byte)
      let length = blockRange(block, layout).count
      guard (0...length).contains(kept), (0...PlaceCode.largestSize(length)).contains(size),
        (kept == 0) == (size == 0), end.value <= layout.kept, end.byte <= layout.indexSize
      else { throw Self.fault("Block \(block) keeps \(kept) elements in \(size) bytes") }
    }
    return starts
  }

  private func values(_ range: Range<Int>, _ layout: SparseLayout) throws(TinctureError)
    -> ContiguousArray<Float>
  {
    var values = ContiguousArray<Float>(repeating: 0, count: range.count)
    var span = values.mutableSpan
    if case .codes(let quantizer) = layout.values {
      let bytes = try packed("values", range, quantizer.bits)
      bytes.withUnsafeBytes { quantizer.decode($0, from: range.lowerBound % 8, into: &span) }
      return values
    }
    let part = try part("values")
    let width = part.dtype.byteWidth ?? 1
    let bytes = try bank.file.bytes(
      at: part.byteOffset + range.lowerBound * width, count: range.count * width)
    let largest = bytes.withUnsafeBytes { Kernels.widen($0, as: part.dtype, into: &span) }
    guard largest < FiniteElements.limit else {
      throw Self.fault("A value from \(range.lowerBound) on is not finite")
    }
    return values
  }

  private static func fault(_ what: String) -> TinctureError {
    TinctureError(.checkpoint, "\(what); the bank is damaged.")
  }
}

extension [UInt8] {
  /// A little-endian 32-bit number.
  fileprivate func number(at place: Int) -> Int {
    (0..<4).reduce(0) { $0 | Int(self[place + $1]) << (8 * $1) }
  }
}
