internal import TinctureBanks
internal import TinctureSafetensors
internal import TinctureTensors

/// A tensor of all models as the steps before a method leave it, read piece by piece and in order.
///
/// Those who read one model after the other piece by piece go through all models once; whoever reads a model
/// from the beginning again goes through that one.
final class ArrangedTensor {
  private let inputs: MergeInputs
  /// The models that are read.
  private var models: Range<Int>
  private var passes: [any TaskVectorPass]
  /// The elements at hand: those of the base, and those of each model.
  private var held = 0..<0
  private var base: ContiguousArray<Float> = []
  private var values: [ContiguousArray<Float>]

  init(_ inputs: MergeInputs) {
    self.inputs = inputs
    models = 0..<inputs.step.models.count
    passes = inputs.taskVectorPasses
    values = inputs.step.models.map { _ in [] }
  }

  /// The sources of a bank: the base's, and those of some models.
  ///
  /// - Parameter positions: The positions of the models in the step; nil for the base's elements.
  /// - Returns: The sources, which must be used by one task.
  func sources(_ positions: [Int?]) -> (base: any WeightSource, models: [any WeightSource]) {
    (ArrangedSource(self, nil), positions.map { ArrangedSource(self, $0) })
  }

  fileprivate func reader(_ model: Int?) -> (any TensorReader)? {
    model.map { inputs.step.models[$0] } ?? inputs.step.base
  }

  fileprivate func read(
    _ model: Int?, _ range: Range<Int>, into output: inout MutableSpan<Float>
  ) throws(TinctureError) {
    let isMissing = model.map { !models.contains($0) } ?? false
    if isMissing || range.lowerBound < held.lowerBound {
      restart(model.map { $0..<$0 + 1 } ?? 0..<inputs.step.models.count)
    }
    while held.upperBound < range.upperBound { try advance(keeping: range.lowerBound) }
    let own = range.lowerBound - held.lowerBound..<range.upperBound - held.lowerBound
    // Spans are of local values only.
    let elements = model.map { values[$0] } ?? base
    Kernels.copy(elements.span.extracting(own), to: &output)
  }

  private func restart(_ models: Range<Int>) {
    self.models = models
    passes = inputs.taskVectorPasses
    held = 0..<0
    base = []
    for model in values.indices { values[model] = [] }
  }

  /// Reads the next block.
  private func advance(keeping first: Int) throws(TinctureError) {
    let start = held.upperBound
    let kept = min(first, start)
    let dropped = kept - held.lowerBound
    if dropped > 0 {
      base.removeFirst(dropped)
      for model in models { values[model].removeFirst(dropped) }
    }
    let end = min(start + inputs.blockCapacity, inputs.elementCount)
    guard end > start else {
      throw TinctureError(
        .internalError, "There is nothing after element \(start).",
        at: .init(tensor: inputs.step.name))
    }
    // A part of the models has not been looked at as a whole.
    let wasChecked = inputs.checked
    defer { inputs.checked = wasChecked }
    try inputs.forEachBlock(.values, in: start..<end, models: models, &passes) {
      (block) throws(TinctureError) in
      for i in 0..<block.count { base.append(block.originElements[i]) }
      for (position, model) in models.enumerated() {
        let own = block[model: position]
        for i in 0..<own.count { values[model].append(own[i]) }
      }
    }
    held = kept..<end
  }
}

/// One model of an arranged tensor, or its base.
private struct ArrangedSource: WeightSource {
  private let tensor: ArrangedTensor
  private let model: Int?

  init(_ tensor: ArrangedTensor, _ model: Int?) {
    (self.tensor, self.model) = (tensor, model)
  }

  var dtype: DType { tensor.reader(model)?.dtype ?? .f32 }
  var shape: Shape { tensor.reader(model)?.shape ?? Shape(vector: 0) }
  var place: TinctureError.Place { tensor.reader(model)?.place ?? .init() }
  var storedRange: (file: InputFile, offset: Int)? { nil }

  func read(_ range: Range<Int>, into output: inout MutableSpan<Float>) throws(TinctureError) {
    try tensor.read(model, range, into: &output)
  }
}

/// How much memory reading arranged tensors takes, and how many may be read at a time.
struct ArrangedRoom {
  /// How many tensors are read at a time.
  let workers: Int
  /// The bytes that this takes.
  let bytes: Int
  /// The bytes that are left.
  let limit: Int

  /// Elements of a piece that are held beside blocks.
  private static let piece = 1 << 14

  init(
    _ steps: [MergeStep], method: any MergeMethod, tuning: EngineTuning, workers: Int, limit: Int
  ) {
    var each = 1
    for step in steps {
      let whole = step.with(index: step.index, elements: 0..<step.shape.elementCount)
      let cost = StepCost(of: whole, method: method, tuning: tuning)
      let held = 4 * (step.models.count + 1) * (2 * cost.blockCapacity + Self.piece)
      each = max(each, cost.bytes + held)
    }
    self.workers = max(1, min(workers, limit / 2 / each))
    bytes = self.workers * each
    self.limit = max(0, limit - bytes)
  }
}
