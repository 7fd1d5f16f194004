public import TinctureTensors

extension MergeInputs {
  /// Whether the step has statistics: then all its models have.
  public var hasStatistics: Bool { !step.statistics.isEmpty }

  /// Reads statistics of a model that have the shape of the tensor.
  ///
  /// - Parameters:
  ///   - model: The position of the model in the step.
  ///   - range: The elements.
  ///   - output: Receives them.
  /// - Throws: `io`, or `checkpoint` for an element that is not finite, whatever the options say about
  ///   weights.
  public func readStatistics(
    of model: Int, _ range: Range<Int>, into output: inout MutableSpan<Float>
  ) throws(TinctureError) {
    let reader = step.statistics[model].reader
    // The windows after those of the base and the models.
    let window = workspace.window(
      step.models.count + 1 + model, byteCount: tuning.windowBytes)
    let largest = try reader.read(range, into: &output, window: window)
    guard largest >= Float.infinity.bitPattern else { return }
    let index = (0..<output.count).first { !output[$0].isFinite } ?? 0
    throw TinctureError(
      .checkpoint,
      "Element \(range.lowerBound + index) of the statistics is \(output[index]). Collect them anew.",
      at: reader.place)
  }

  /// Visits all statistics of a model in order, whatever their shape; takes one vector.
  ///
  /// - Parameters:
  ///   - model: The position of the model in the step.
  ///   - body: Looks at elements, given where the first of them stands.
  /// - Throws: What `body` throws, `io`, or `checkpoint` for an element that is not finite.
  public func scanStatistics(
    of model: Int, _ body: (Int, Span<Float>) throws(TinctureError) -> Void
  ) throws(TinctureError) {
    let count = step.statistics[model].reader.shape.elementCount
    var values = scratch()
    var start = 0
    while start < count {
      try interruption.check()
      let end = min(start + workspace.blockCapacity, count)
      var failure: TinctureError?
      values.use(end - start) { span in
        do throws(TinctureError) {
          try readStatistics(of: model, start..<end, into: &span)
        } catch { failure = error }
      }
      if let failure { throw failure }
      try body(start, values.prefix(end - start))
      start = end
    }
  }
}
