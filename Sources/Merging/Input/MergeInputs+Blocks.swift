internal import TinctureCheckpoints
public import TinctureTensors

// How methods see elements, and how they hand on what they make of them: block by block.
extension MergeInputs {
  /// Visits all elements in order.
  ///
  /// Blocks are whole multiples of the segment that reductions use, or whole rows where the method
  /// declared it needs them; what is summed block by block in `Double` does not depend on their size
  /// when each addend is the sum of one segment: see `segments`.
  ///
  /// - Parameters:
  ///   - form: Models or task vectors.
  ///   - models: The models that are read and that blocks hold, besides the base; all by default.
  ///   - body: Looks at a block; may change the models' elements in place.
  /// - Throws: What `body` throws, or `io`, or `checkpoint` for an element that is not finite.
  public func scan(
    _ form: InputForm, models: Range<Int>? = nil,
    _ body: (inout ElementBlock) throws(TinctureError) -> Void
  ) throws(TinctureError) {
    try forEachBlock(form, models: models, body)
  }

  /// Visits short pieces that are spread over the whole tensor, as a sample of its elements.
  ///
  /// - Parameters:
  ///   - form: Models or task vectors.
  ///   - count: About how many elements to visit.
  ///   - body: Looks at a piece; may change the models' elements in place.
  /// - Throws: What `body` throws, or `io`, or `checkpoint` for an element that is not finite.
  public func sample(
    _ form: InputForm, count: Int, _ body: (inout ElementBlock) throws(TinctureError) -> Void
  ) throws(TinctureError) {
    let pieces = max(1, count / Self.sampleLength)
    let stride = step.elements.count / pieces
    guard stride > Self.sampleLength, taskVectorPasses.allSatisfy(\.isElementwise) else {
      return try forEachBlock(form, body)
    }
    // Distances that share no factor with the rows, lest all pieces fall into the same columns.
    let ranges = (0..<pieces).map { piece in
      let share = (Double(piece) * 0.618_033_988_75).truncatingRemainder(dividingBy: 1)
      let start =
        step.elements.lowerBound + piece * stride
        + Int(share * Double(stride - Self.sampleLength))
      return start..<start + Self.sampleLength
    }
    let wasChecked = checked
    for position in 0...step.models.count {
      workspace.window(position, byteCount: tuning.windowBytes).readsAhead = false
    }
    defer {
      for position in 0...step.models.count {
        workspace.window(position, byteCount: tuning.windowBytes).readsAhead = true
      }
      checked = wasChecked
    }
    for range in ranges { try forEachBlock(form, in: range, body) }
  }

  private static let sampleLength = 256

  /// Visits all elements in order and writes the output.
  ///
  /// - Parameters:
  ///   - form: Models or task vectors.
  ///   - models: The models that are read and that blocks hold, besides the base; all by default.
  ///   - body: Fills the output block, which holds zeros before.
  /// - Throws: What `body` throws, or `io`.
  public func produce(
    _ form: InputForm, models: Range<Int>? = nil,
    _ body: (inout ElementBlock, inout MutableSpan<Float>) throws(TinctureError) -> Void
  ) throws(TinctureError) {
    var sink: OutputSink?
    if case .file = outlet.end { sink = try fileSink() }
    var passes = outlet.passes
    let result = scratch()
    var output = result
    try forEachBlock(form, models: models) { (block) throws(TinctureError) in
      var failure: TinctureError?
      let count = block.count
      output.use(count) { span in
        Kernels.clear(&span)
        do throws(TinctureError) {
          try body(&block, &span)
        } catch { failure = error }
        if failure == nil, !passes.isEmpty {
          finish(&span, base: block.originElements, from: block.start, &passes)
        }
        if case .measure(let length) = outlet.end {
          Kernels.subtract(block.originElements, from: &span)
          length.add(span.span)
        }
      }
      if let failure { throw failure }
      if case .memory(let tensor) = outlet.end { tensor.append(output.prefix(count)) }
      try sink?.append(output.prefix(count))
    }
    try sink?.flush()
  }

  /// What rounds blocks and writes them to the output's file.
  func fileSink() throws(TinctureError) -> OutputSink {
    guard let writer else {
      throw TinctureError(.internalError, "A survey must not produce output.")
    }
    return OutputSink(
      step: step, writer: writer, piece: tuning.pieceBytes, buffer: workspace.output,
      advance: advance)
  }

  private func forEachBlock(
    _ form: InputForm, in range: Range<Int>? = nil, models chosen: Range<Int>? = nil,
    _ body: (inout ElementBlock) throws(TinctureError) -> Void
  ) throws(TinctureError) {
    var passes = chosen?.isEmpty == true ? [] : taskVectorPasses
    try forEachBlock(form, in: range, models: chosen, &passes, body)
  }

  /// Visits some elements with passes that may have seen those before them.
  func forEachBlock(
    _ form: InputForm, in range: Range<Int>?, models chosen: Range<Int>?,
    _ passes: inout [any TaskVectorPass],
    _ body: (inout ElementBlock) throws(TinctureError) -> Void
  ) throws(TinctureError) {
    let elements = range ?? step.elements
    let wanted = chosen ?? 0..<step.models.count
    let chosen = passes.contains { $0.seesAllModels } ? 0..<step.models.count : wanted
    let readForm = passes.isEmpty ? form : .taskVectors
    let readers = (step.base.map { [$0] } ?? []) + step.models[chosen]
    // Windows belong to inputs, whichever of them are read.
    let hasBase = step.base != nil
    let form = hidesBase ? .values : form
    let firstWindow = hasBase ? 1 : 0
    let pointers = readers.map { _ in workspace.takeVector() }
    defer { for pointer in pointers { workspace.giveBack(pointer) } }
    let rounding = step.inputRounding == nil ? nil : workspace.takeVector()
    defer { if let rounding { workspace.giveBack(rounding) } }
    let basePointer = hasBase ? pointers[0] : nil
    let models = hasBase ? Array(pointers.dropFirst()) : pointers
    let shown = chosen == wanted ? models : Array(models[wanted])
    // Experts of a bank begin with the base, which need not be read again for each of them.
    let areBuiltOnBase = readers.map { reader in
      step.base.map { rounding == nil && reader.isBuilt(on: $0) } ?? false
    }
    var start = elements.lowerBound
    while start < elements.upperBound {
      try interruption.check()
      let count = min(blockCapacity, elements.upperBound - start)
      var isBaseAsStored = false
      for (position, reader) in readers.enumerated() {
        var span = MutableSpan<Float>(_unsafeStart: pointers[position], count: count)
        let input = position < firstWindow ? position : position + chosen.lowerBound
        let window = workspace.window(input, byteCount: tuning.windowBytes)
        let range = start..<start + count
        let minuend = position > 0 && readForm == .taskVectors ? basePointer : nil
        let isBaseAtHand = areBuiltOnBase[position] && isBaseAsStored
        if let minuend, rounding == nil, !isBaseAtHand {
          let base = Span<Float>(_unsafeStart: minuend, count: count)
          let largest = try reader.readDifference(range, from: base, into: &span, window: window)
          if largest >= 0x7f80_0000, !checked || options.nonFinite != .error {
            try treatNonFinite(&span, base: nil, reader, start)
          }
          continue
        }
        var largest: UInt32
        if isBaseAtHand, let basePointer {
          let base = Span<Float>(_unsafeStart: basePointer, count: count)
          largest = try reader.read(range, onto: base, into: &span, window: window)
        } else {
          largest = try reader.read(range, into: &span, window: window)
          // What is not finite may be replaced, and is then no longer what experts begin with.
          if position == 0 { isBaseAsStored = hasBase && largest < 0x7f80_0000 }
        }
        if let dtype = step.inputRounding, let rounding, reader.dtype != dtype {
          // Before the check, since a narrower type may turn a large number into an infinite one.
          largest = max(largest, Self.round(&span, to: dtype, through: rounding))
        }
        if largest >= 0x7f80_0000, !checked || options.nonFinite != .error {
          try treatNonFinite(&span, base: position == 0 ? nil : basePointer, reader, start)
        }
        if let minuend {
          Kernels.subtract(Span<Float>(_unsafeStart: minuend, count: count), from: &span)
        }
      }
      if !passes.isEmpty {
        var block = ElementBlock(
          start: start, count: count, rowLength: step.shape.rowLength, base: basePointer,
          models: models)
        for index in passes.indices { passes[index].apply(to: &block, models: chosen, self) }
        if form == .values, let basePointer {
          let base = Span<Float>(_unsafeStart: basePointer, count: count)
          for model in models.indices { block.change(model: model) { Kernels.add(base, to: &$0) } }
        }
      }
      var block = ElementBlock(
        start: start, count: count, rowLength: step.shape.rowLength,
        base: hidesBase ? nil : basePointer, models: shown)
      block.origin = basePointer
      try body(&block)
      start += count
    }
    if chosen.count == step.models.count { checked = true }
  }

  private static func round(
    _ span: inout MutableSpan<Float>, to dtype: DType, through memory: UnsafeMutablePointer<Float>
  ) -> UInt32 {
    let bytes = UnsafeMutableRawBufferPointer(start: memory, count: span.count * 4)
    Kernels.narrow(span.span, as: dtype, into: bytes)
    return Kernels.widen(UnsafeRawBufferPointer(bytes), as: dtype, into: &span)
  }

  private func treatNonFinite(
    _ span: inout MutableSpan<Float>, base: UnsafeMutablePointer<Float>?,
    _ reader: any TensorReader, _ start: Int
  ) throws(TinctureError) {
    switch options.nonFinite {
    case .propagate: return
    case .replaceByBase:
      for index in 0..<span.count where !span[index].isFinite { span[index] = base?[index] ?? 0 }
    case .error:
      let index = (0..<span.count).first { !span[$0].isFinite } ?? 0
      throw TinctureError(
        .checkpoint,
        "Element \(start + index) is \(span[index]). Repair the checkpoint; merge alone can go on, with"
          + " --non-finite base or --non-finite propagate.", at: reader.place)
    }
  }
}
