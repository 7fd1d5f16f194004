import Tincture

extension CodecRates {
  /// Codes of the tenth of the elements that is largest, with their places.
  private struct Kept {
    var index: [UInt8] = []
    var values: [UInt8] = []
    /// For each block, where its places end in the index and its values in the codes.
    var ends: [(byte: Int, value: Int)] = []
    private var packer: CodePacker

    init(bits: Int) { packer = CodePacker(bits: bits) }

    mutating func append(_ x: Span<Float>, _ cut: inout MagnitudeCut, _ quantizer: AffineQuantizer)
    {
      var mask = ContiguousArray<UInt8>(repeating: 0, count: (x.count + 7) / 8)
      var bits = mask.mutableSpan
      cut.mask(x, into: &bits)
      var places = ContiguousArray<UInt32>()
      PlaceCode.setBits(mask.span, count: x.count, into: &places)
      PlaceCode.append(places.span, of: x.count, to: &index)
      let values = ContiguousArray(places.map { x[Int($0)] })
      var codes = ContiguousArray<UInt8>(repeating: 0, count: values.count)
      var span = codes.mutableSpan
      quantizer.encode(values.span, into: &span)
      packer.append(codes.span)
      ends.append((index.count, (ends.last?.value ?? 0) + values.count))
    }

    /// Gives the codes the bytes behind them that kernels look at.
    mutating func finish() {
      values = packer.finish() + [UInt8](repeating: 0, count: 8)
      index += [UInt8](repeating: 0, count: 8)
    }

    /// The places and the values of a block.
    func read(_ block: Int, _ quantizer: AffineQuantizer)
      -> (places: ContiguousArray<UInt32>, values: ContiguousArray<Float>)
    {
      let start = block > 0 ? ends[block - 1] : (byte: 0, value: 0)
      let end = ends[block]
      var places = ContiguousArray<UInt32>()
      _ = PlaceCode.read(
        start.byte..<end.byte, of: index, count: end.value - start.value,
        length: CodecRates.block, into: &places)
      var numbers = ContiguousArray<Float>(repeating: 0, count: places.count)
      var span = numbers.mutableSpan
      values.withUnsafeBytes { quantizer.decode($0, from: start.value, into: &span) }
      return (places, numbers)
    }
  }

  /// Measures `sparse` at a density of a tenth.
  static func measureSparse(
    bits: Int, _ source: ContiguousArray<Float>, _ target: inout ContiguousArray<Float>
  ) throws(TinctureError) -> Width {
    var width = Width(form: "sparse 10 %", bits: bits)
    let count = source.count
    // Of sums of two uniform numbers less one, a tenth is larger than this.
    let threshold = 1 - Float(0.1).squareRoot()
    let quantizer = AffineQuantizer(bits: bits, scale: Float((1 << bits) - 1) / 2, zero: 0)
    var kept = Kept(bits: bits)
    width.encode = try best(count) {
      kept = Kept(bits: bits)
      var cut = MagnitudeCut(at: threshold, ties: .max)
      for start in stride(from: 0, to: count, by: block) {
        kept.append(source.span.extracting(start..<start + block), &cut, quantizer)
      }
      kept.finish()
    }
    width.decode = try best(count) {
      forEachBlock(&target) { span, start in
        let (places, values) = kept.read(start / block, quantizer)
        Kernels.clear(&span)
        for index in places.indices { span[Int(places[index])] = values[index] }
      }
    }
    var buffer = ContiguousArray<Float>(repeating: 0, count: block)
    width.add = try best(count) {
      forEachBlock(&target) { span, start in
        let (places, values) = kept.read(start / block, quantizer)
        var decoded = buffer.mutableSpan
        Kernels.clear(&decoded)
        for index in places.indices { decoded[Int(places[index])] = values[index] }
        Kernels.add(decoded.span, times: 0.5, to: &span)
      }
    }
    var sum = 0.0
    width.dot = try best(count) {
      for start in stride(from: 0, to: count, by: block) {
        let (places, values) = kept.read(start / block, quantizer)
        let factors = ContiguousArray(places.map { source[start + Int($0)] })
        Kernels.addDot(factors.span, values.span, to: &sum)
      }
    }
    return width
  }
}
