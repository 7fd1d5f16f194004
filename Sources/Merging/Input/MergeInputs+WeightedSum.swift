internal import TinctureSafetensors
public import TinctureTensors

// The commonest merge of all, without vectors between the files and the result.
extension MergeInputs {
  /// Writes a weighted sum of the models.
  ///
  /// θ = scale Σᵢ wᵢ θᵢ of values, θ = θ₀ + scale Σᵢ wᵢ τᵢ of task vectors. The bits are those of producing
  /// blocks by `ElementBlock.weightedSum`; inputs that lie in files in one type are summed as they are stored.
  ///
  /// - Parameters:
  ///   - form: Models or task vectors.
  ///   - weights: A weight for each model.
  ///   - scale: What the sum is multiplied by.
  /// - Throws: `io`, or `checkpoint` for an element that is not finite.
  /// - Complexity: O(n) for each model.
  public func produceWeightedSum(_ form: InputForm, _ weights: [Float], scale: Float = 1)
    throws(TinctureError)
  {
    let isOfTaskVectors = form == .taskVectors
    guard let stored = storedInputs(form) else {
      return try produce(form) { (block, output) throws(TinctureError) in
        block.weightedSum(weights, scale: scale, addingBase: isOfTaskVectors, into: &output)
      }
    }
    var sink = try fileSink()
    var output = scratch()
    var start = step.elements.lowerBound
    while start < step.elements.upperBound {
      try interruption.check()
      let range = start..<min(start + blockCapacity, step.elements.upperBound)
      var models: [UnsafeRawBufferPointer] = []
      for input in stored.inputs { models.append(try input.bytes(range)) }
      let base = isOfTaskVectors ? models.removeFirst() : nil
      let largest = output.use(range.count) {
        Kernels.weightedSum(
          stored: models, as: stored.dtype, weights: weights, scale: scale, base: base, into: &$0)
      }
      // A sum that is finite has finite addends only; another one is worked out where each is looked at.
      if largest >= 0x7f80_0000 {
        let wasChecked = checked
        var passes: [any TaskVectorPass] = []
        try forEachBlock(form, in: range, models: nil, &passes) { (block) throws(TinctureError) in
          output.use(range.count) {
            block.weightedSum(weights, scale: scale, addingBase: isOfTaskVectors, into: &$0)
          }
        }
        checked = wasChecked
      }
      try sink.append(output.prefix(range.count))
      start = range.upperBound
    }
    try sink.flush()
    checked = true
  }

  /// All inputs, the base first, where nothing but their stored elements is needed for the output's file.
  private func storedInputs(_ form: InputForm) -> (dtype: DType, inputs: [StoredInput])? {
    guard case .file = outlet.end, outlet.passes.isEmpty, taskVectorPasses.isEmpty,
      step.inputRounding == nil, !hidesBase, (step.base != nil) == (form == .taskVectors)
    else { return nil }
    let readers = (step.base.map { [$0] } ?? []) + step.models
    guard let dtype = readers.first?.dtype, Kernels.sumsStored(dtype),
      let width = dtype.byteWidth
    else { return nil }
    var inputs: [StoredInput] = []
    for (position, reader) in readers.enumerated() {
      guard reader.dtype == dtype, let (file, offset) = reader.storedRange else { return nil }
      inputs.append(
        StoredInput(
          window: workspace.window(position, byteCount: tuning.windowBytes), file: file,
          offset: offset, width: width, end: offset + width * elementCount, place: reader.place))
    }
    return (dtype, inputs)
  }
}

/// A tensor in a file and the window through which it is read.
private struct StoredInput {
  let window: ReadWindow
  let file: InputFile
  let offset: Int
  let width: Int
  let end: Int
  let place: TinctureError.Place

  /// Some elements as they are stored, valid until the next call.
  func bytes(_ range: Range<Int>) throws(TinctureError) -> UnsafeRawBufferPointer {
    do throws(TinctureError) {
      return try window.bytes(
        of: file, at: offset + range.lowerBound * width, count: range.count * width, end: end)
    } catch {
      throw error.located(file: place.file, model: place.model, tensor: place.tensor)
    }
  }
}
