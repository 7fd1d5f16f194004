internal import TinctureCheckpoints
internal import TinctureSafetensors
public import TinctureTensors

extension MergeInputs {
  /// Writes one input as the output: byte for byte where the types agree, else by way of `Float`.
  func copy(from reader: any TensorReader) throws(TinctureError) {
    guard let writer else {
      throw TinctureError(.internalError, "A survey must not produce output.")
    }
    if reader.dtype == step.dtype, let range = reader.storedRange {
      try copyBytes(range.file, range.offset, writer)
      return
    }
    guard reader.dtype.isArithmetic, step.dtype.isArithmetic else {
      throw TinctureError(
        .checkpoint,
        "\(reader.dtype.rawValue) elements in this order cannot be written as \(step.dtype.rawValue).",
        at: reader.place)
    }
    var sink = try fileSink()
    var values = scratch()
    var start = step.elements.lowerBound
    while start < step.elements.upperBound {
      try interruption.check()
      let end = min(start + workspace.blockCapacity, step.elements.upperBound)
      let window = workspace.window(0, byteCount: tuning.windowBytes)
      var failure: TinctureError?
      values.use(end - start) { span in
        do throws(TinctureError) {
          _ = try reader.read(start..<end, into: &span, window: window)
        } catch { failure = error }
      }
      if let failure { throw failure }
      try sink.append(values.prefix(end - start))
      start = end
    }
    try sink.flush()
  }

  private func copyBytes(_ file: InputFile, _ offset: Int, _ writer: RangeWriter)
    throws(TinctureError)
  {
    // Steps of sub-byte elements are never cut, so both ends fall on bytes.
    let begin = step.elements.lowerBound * step.dtype.bitWidth / 8
    let end = step.elements.upperBound * step.dtype.bitWidth / 8
    var position = begin
    while position < end {
      try interruption.check()
      let target = step.output.offset + position
      let count = min(tuning.pieceBytes - target % tuning.pieceBytes, end - position)
      let piece = UnsafeMutableRawBufferPointer(rebasing: workspace.output[..<count])
      try file.read(at: offset + position, into: piece)
      try writer.write(UnsafeRawBufferPointer(piece), file: step.output.file, offset: target)
      advance(count)
      position += count
    }
  }
}

extension MergeInputs {
  /// Writes one of the step's models as the output, byte for byte where the types agree.
  ///
  /// - Parameter model: The position of the model in the step.
  /// - Throws: `io` when reading or writing fails.
  public func passThrough(model: Int) throws(TinctureError) {
    try copy(from: step.models[model])
  }

  /// Writes a tensor that is none of the step's as the output, byte for byte where the types agree.
  ///
  /// - Parameter reader: The tensor, of the step's shape.
  /// - Throws: `io` when reading or writing fails.
  public func passThrough(_ reader: any TensorReader) throws(TinctureError) {
    precondition(reader.shape == step.shape, "The tensor has another shape than the step.")
    try copy(from: reader)
  }
}
