internal import TinctureSafetensors
internal import TinctureTensors

extension BankVector {
  /// Reads the codes of a range and the level tables of the groups it touches.
  ///
  /// - Throws: `io` when reading fails, `checkpoint` when a scale is not usable.
  func levels(_ range: Range<Int>, _ layout: BinaryLayout) throws(TinctureError)
    -> CodeSlice<LevelTable>
  {
    let length = layout.grouping.length(in: record.shape)
    guard !range.isEmpty else { return CodeSlice(range: range, groupLength: length) }
    let groups = range.lowerBound / length..<(range.upperBound - 1) / length + 1
    return CodeSlice(
      range: range, groupLength: length, meanings: try tables(groups, layout),
      bytes: try packed("codes", range, layout.planes), firstCode: range.lowerBound / 8 * 8)
  }

  /// Decodes a range of elements.
  func decodeBinary(
    _ range: Range<Int>, _ layout: BinaryLayout, _ output: inout MutableSpan<Float>
  ) throws(TinctureError) {
    try levels(range, layout).forEachGroup { table, bytes, start, place in
      var target = output._mutatingExtracting(place)
      table.decode(bytes, from: start, into: &target)
    }
  }

  /// y += a v over a range of elements, from the codes.
  func addBinary(
    _ range: Range<Int>, times a: Float, _ layout: BinaryLayout, to y: inout MutableSpan<Float>
  ) throws(TinctureError) {
    try levels(range, layout).forEachGroup { table, bytes, start, place in
      var target = y._mutatingExtracting(place)
      table.add(bytes, from: start, times: a, to: &target)
    }
  }

  /// ⟨g, v⟩ over a range of elements, from the codes.
  func dotBinary(_ g: Span<Float>, over range: Range<Int>, _ layout: BinaryLayout)
    throws(TinctureError) -> Double
  {
    var product = 0.0
    try levels(range, layout).forEachGroup { table, bytes, start, place in
      product += table.dot(g.extracting(place), bytes, from: start)
    }
    return product
  }

  /// Checks all scales, and that the bits after the last ones are zero.
  func checkBinary(_ layout: BinaryLayout) throws(TinctureError) {
    let count = layout.grouping.count(in: record.shape)
    for start in stride(from: 0, to: count, by: 4096) {
      _ = try tables(start..<min(start + 4096, count), layout)
    }
    try checkPadding("codes", record.shape.elementCount, layout.planes)
    if case .shifts(let terms, _) = layout.scales {
      try checkPadding("scales", count * layout.planes * terms, ShiftCode.bits)
    }
  }

  private func tables(_ groups: Range<Int>, _ layout: BinaryLayout) throws(TinctureError)
    -> [LevelTable]
  {
    let planes = layout.planes
    let scales = try scales(groups.lowerBound * planes..<groups.upperBound * planes, layout)
    return (0..<groups.count).map { group in
      var own = SIMD4<Float>(repeating: 0)
      for plane in 0..<planes { own[plane] = scales[group * planes + plane] }
      return LevelTable(own, bits: planes)
    }
  }

  private func scales(_ range: Range<Int>, _ layout: BinaryLayout) throws(TinctureError)
    -> ContiguousArray<Float>
  {
    var values = ContiguousArray<Float>(repeating: 0, count: range.count)
    var bad: Int?
    switch layout.scales {
    case .bf16:
      let part = try part("scales")
      let bytes = try bank.file.bytes(
        at: part.byteOffset + range.lowerBound * 2, count: range.count * 2)
      var span = values.mutableSpan
      bytes.withUnsafeBytes { _ = Kernels.widen($0, as: .bf16, into: &span) }
      bad = values.firstIndex { !($0.magnitude <= BinaryLayout.largestScale) }
    case .shifts(let terms, let code):
      let stored = range.lowerBound * terms..<range.upperBound * terms
      let bytes = try packed("scales", stored, ShiftCode.bits)
      var codes = ContiguousArray<UInt8>(repeating: 0, count: stored.count)
      var span = codes.mutableSpan
      bytes.withUnsafeBytes {
        PackedCodes.unpack($0, from: stored.lowerBound % 8, bits: ShiftCode.bits, into: &span)
      }
      for index in values.indices {
        var own = SIMD4<UInt8>(repeating: 0)
        for term in 0..<terms { own[term] = codes[index * terms + term] }
        guard let value = code.decode(own) else {
          bad = index
          break
        }
        values[index] = value
      }
    }
    guard let bad else { return values }
    throw TinctureError(
      .checkpoint,
      "Scale \(range.lowerBound + bad) is too large or no sum of powers of two; the bank is damaged."
    )
  }
}
