import Tincture

/// How many bytes of float32 elements one processor copies, encodes and decodes in a second.
struct CodecRates {
  /// The rates of one form of codes in one width.
  struct Width {
    let form: String
    let bits: Int
    var encode = 0.0
    var decode = 0.0
    var add = 0.0
    var dot = 0.0
  }

  let elements: Int
  /// Copying the elements.
  var copy = 0.0
  /// y += a x over the elements.
  var axpy = 0.0
  /// Keeping the elements whose bit is set.
  var mask = 0.0
  var widths: [Width] = []

  static let block = 1 << 14

  /// Measures all rates.
  ///
  /// - Parameter elements: The number of elements; many more than fit into a cache.
  /// - Returns: The rates.
  /// - Throws: `interrupted`.
  static func measure(elements: Int) throws(TinctureError) -> CodecRates {
    let count = max(block, elements / block * block)
    var rates = CodecRates(elements: count)
    let source = ContiguousArray<Float>(unsafeUninitializedCapacity: count) { buffer, initialized in
      let random = CounterRandom(seed: 1, tensor: "codecs", purpose: "benchmark")
      // Sums of uniform numbers, near enough to what weights differ by.
      for index in 0..<count {
        let place = index % (1 << 16)
        buffer[index] = Float(random.uniform(at: 2 * place) + random.uniform(at: 2 * place + 1) - 1)
      }
      initialized = count
    }
    var target = ContiguousArray<Float>(repeating: 0, count: count)
    rates.copy = try best(count) {
      target.withUnsafeMutableBufferPointer { to in
        source.withUnsafeBufferPointer { from in _ = to.update(fromContentsOf: from) }
      }
    }
    rates.axpy = try best(count) {
      var span = target.mutableSpan
      Kernels.add(source.span, times: 0.5, to: &span)
    }
    let bits = ContiguousArray<UInt8>(repeating: 0xb4, count: block / 8)
    rates.mask = try best(count) {
      forEachBlock(&target) { span, _ in Kernels.keep(&span, where: bits.span) }
    }
    for width in PackedCodes.widths {
      rates.widths.append(try measure(width, source, &target))
    }
    rates.widths.append(try measureSparse(bits: 8, source, &target))
    for width in LevelTable.widths {
      rates.widths.append(try measureBinary(bits: width, source, &target))
    }
    return rates
  }

  private static func measure(
    _ bits: Int, _ source: ContiguousArray<Float>, _ target: inout ContiguousArray<Float>
  ) throws(TinctureError) -> Width {
    var width = Width(form: "affine", bits: bits)
    let count = source.count
    let quantizer = AffineQuantizer(bits: bits, scale: Float((1 << bits) - 1) / 2, zero: 0)
    var codes = ContiguousArray<UInt8>(repeating: 0, count: block)
    var packed: [UInt8] = []
    width.encode = try best(count) {
      var packer = CodePacker(bits: bits, expecting: count)
      for start in stride(from: 0, to: count, by: block) {
        var span = codes.mutableSpan
        quantizer.encode(source.span.extracting(start..<start + block), into: &span)
        packer.append(span.span)
      }
      packed = packer.finish()
    }
    packed += [UInt8](repeating: 0, count: 8)
    width.decode = try best(count) {
      packed.withUnsafeBytes { bytes in
        forEachBlock(&target) { span, start in quantizer.decode(bytes, from: start, into: &span) }
      }
    }
    width.add = try best(count) {
      packed.withUnsafeBytes { bytes in
        forEachBlock(&target) { span, start in
          quantizer.add(bytes, from: start, times: 0.5, to: &span)
        }
      }
    }
    var sum = 0.0
    width.dot = try best(count) {
      packed.withUnsafeBytes { bytes in
        for start in stride(from: 0, to: count, by: block) {
          let factor = source.span.extracting(start..<start + block)
          sum += quantizer.dot(factor, sum: 0, bytes, from: start)
        }
      }
    }
    return width
  }

  static func forEachBlock(
    _ values: inout ContiguousArray<Float>, _ body: (inout MutableSpan<Float>, Int) -> Void
  ) {
    var all = values.mutableSpan
    for start in stride(from: 0, to: all.count, by: block) {
      var span = all._mutatingExtracting(start..<start + block)
      body(&span, start)
    }
  }

  /// The best rate of three runs, in bytes of elements a second.
  static func best(_ count: Int, _ body: () -> Void) throws(TinctureError) -> Double {
    var least = Double.infinity
    for _ in 0..<3 {
      try Signals.interruption.check()
      let start = ContinuousClock.now
      body()
      least = min(least, (ContinuousClock.now - start) / .seconds(1))
    }
    return 4 * Double(count) / max(least, 1e-9)
  }
}

extension CodecRates {
  /// The rates as a table.
  var text: String {
    var table = Table(
      ["codes", "bits", "encode GB/s", "decode GB/s", "of copying", "add GB/s", "dot GB/s"],
      alignRight: [1, 2, 3, 4, 5, 6])
    for width in widths {
      table.add([
        width.form, String(width.bits), Self.text(width.encode), Self.text(width.decode),
        ByteSize.decimal(100 * width.decode / copy, 0) + " %", Self.text(width.add),
        Self.text(width.dot),
      ])
    }
    return """
      kernels  \(Kernels.instructionSet), one processor
      copy     \(Self.text(copy)) GB/s copied, so that twice as much is moved
      axpy     \(Self.text(axpy)) GB/s
      mask     \(Self.text(mask)) GB/s

      \(table.text)
      """
  }

  private static func text(_ rate: Double) -> String { ByteSize.decimal(rate / 1e9, 1) }

  /// The rates in bytes of float32 elements a second.
  var json: JSONValue {
    func number(_ rate: Double) -> JSONValue { .number(String(rate)) }
    return .object(
      JSONObject([
        ("kernels", .string(Kernels.instructionSet)), ("elements", .integer(elements)),
        ("copy", number(copy)), ("axpy", number(axpy)), ("mask", number(mask)),
        (
          "widths",
          .array(
            widths.map {
              .object(
                JSONObject([
                  ("codes", .string($0.form)), ("bits", .integer($0.bits)),
                  ("encode", number($0.encode)),
                  ("decode", number($0.decode)), ("add", number($0.add)), ("dot", number($0.dot)),
                ]))
            })
        ),
      ]))
  }
}
