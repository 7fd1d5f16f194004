import Tincture

extension CodecRates {
  /// Measures `binary` with scales that are there already, for runs of 128 elements.
  static func measureBinary(
    bits: Int, _ source: ContiguousArray<Float>, _ target: inout ContiguousArray<Float>
  ) throws(TinctureError) -> Width {
    var width = Width(form: "binary", bits: bits)
    let count = source.count
    let run = 128
    // The sums of these are evenly spaced.
    let table = LevelTable(SIMD4(0.5, 0.25, 0.125, 0.0625), bits: bits)
    let sorted = (0..<table.count).sorted { table[$0] < table[$1] }
    let thresholds = ContiguousArray(
      zip(sorted, sorted.dropFirst()).map { (table[$0] + table[$1]) / 2 })
    let codeOfRank = ContiguousArray(sorted.map { UInt8($0) })
    var codes = ContiguousArray<UInt8>(repeating: 0, count: block)
    var packed: [UInt8] = []
    width.encode = try best(count) {
      var packer = CodePacker(bits: bits, expecting: count)
      for start in stride(from: 0, to: count, by: block) {
        var all = codes.mutableSpan
        for place in stride(from: 0, to: block, by: run) {
          var own = all._mutatingExtracting(place..<place + run)
          let group = source.span.extracting(start + place..<start + place + run)
          Intervals.rank(group, thresholds.span, into: &own)
          for index in 0..<run { own[index] = codeOfRank[Int(own[index])] }
        }
        packer.append(all.span)
      }
      packed = packer.finish()
    }
    packed += [UInt8](repeating: 0, count: 8)
    width.decode = try best(count) {
      packed.withUnsafeBytes { bytes in
        forEachRun(run, &target) { span, start in table.decode(bytes, from: start, into: &span) }
      }
    }
    width.add = try best(count) {
      packed.withUnsafeBytes { bytes in
        forEachRun(run, &target) { span, start in
          table.add(bytes, from: start, times: 0.5, to: &span)
        }
      }
    }
    var sum = 0.0
    width.dot = try best(count) {
      packed.withUnsafeBytes { bytes in
        for start in stride(from: 0, to: count, by: run) {
          sum += table.dot(source.span.extracting(start..<start + run), bytes, from: start)
        }
      }
    }
    return width
  }

  private static func forEachRun(
    _ length: Int, _ values: inout ContiguousArray<Float>,
    _ body: (inout MutableSpan<Float>, Int) -> Void
  ) {
    forEachBlock(&values) { block, start in
      for place in stride(from: 0, to: block.count, by: length) {
        var span = block._mutatingExtracting(place..<place + length)
        body(&span, start + place)
      }
    }
  }
}
