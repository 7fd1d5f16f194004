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
    let addsBase = form == .taskVectors
    guard case .file = outlet.end, outlet.passes.isEmpty, let stored = storedInputs(form) else {
      return try produce(form) { (block, output) throws(TinctureError) in
        block.weightedSum(weights, scale: scale, addingBase: addsBase, into: &output)
      }
    }
    var sink = try fileSink()
    try scan(stored, form, weights, scale: scale, addingBase: addsBase) {
      (sum, _) throws(TinctureError) in
      try sink.append(sum)
    }
    try sink.flush()
  }

  /// Visits a weighted sum of the models block by block.
  ///
  /// Σᵢ wᵢ θᵢ of values, Σᵢ wᵢ τᵢ of task vectors; in single precision, in the order of the models.
  ///
  /// - Parameters:
  ///   - form: Models or task vectors.
  ///   - weights: A weight for each model.
  ///   - body: Looks at a piece of the sum, which begins at an element.
  /// - Throws: What `body` throws, or `io`, or `checkpoint` for an element that is not finite.
  /// - Complexity: O(n) for each model.
  public func scanWeightedSum(
    _ form: InputForm, _ weights: [Float],
    _ body: (Span<Float>, Int) throws(TinctureError) -> Void
  ) throws(TinctureError) {
    if let stored = storedInputs(form) {
      return try scan(stored, form, weights, scale: 1, addingBase: false, body)
    }
    var sum = scratch()
    try scan(form) { (block) throws(TinctureError) in
      sum.use(block.count) { block.weightedSum(weights, into: &$0) }
      try body(sum.prefix(block.count), block.start)
    }
  }

  private func scan(
    _ stored: StoredInputs, _ form: InputForm, _ weights: [Float], scale: Float, addingBase: Bool,
    _ body: (Span<Float>, Int) throws(TinctureError) -> Void
  ) throws(TinctureError) {
    var sum = scratch()
    var start = step.elements.lowerBound
    while start < step.elements.upperBound {
      try interruption.check()
      let range = start..<min(start + blockCapacity, step.elements.upperBound)
      let base = try stored.base?.bytes(range)
      var models: [UnsafeRawBufferPointer] = []
      for model in stored.models { models.append(try model.bytes(range)) }
      let largest = sum.use(range.count) {
        Kernels.weightedSum(
          stored: models, as: stored.dtype, weights: weights, scale: scale, base: base,
          addingBase: addingBase, into: &$0)
      }
      // A sum that is finite has finite addends only; another one is worked out where each is looked at.
      if largest >= 0x7f80_0000 {
        let wasChecked = checked
        var passes: [any TaskVectorPass] = []
        try forEachBlock(form, in: range, models: nil, &passes) { (block) throws(TinctureError) in
          sum.use(range.count) {
            block.weightedSum(weights, scale: scale, addingBase: addingBase, into: &$0)
          }
        }
        checked = wasChecked
      }
      try body(sum.prefix(range.count), start)
      start = range.upperBound
    }
    checked = true
  }

  /// All inputs, where a sum needs nothing but their stored elements.
  private func storedInputs(_ form: InputForm) -> StoredInputs? {
    guard taskVectorPasses.isEmpty, step.inputRounding == nil, !hidesBase,
      (step.base != nil) == (form == .taskVectors)
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
    let base = step.base == nil ? nil : inputs.removeFirst()
    return StoredInputs(dtype: dtype, base: base, models: inputs)
  }
}

/// Tensors in files that have one type.
private struct StoredInputs {
  let dtype: DType
  let base: StoredInput?
  let models: [StoredInput]
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
