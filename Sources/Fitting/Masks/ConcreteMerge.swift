internal import Synchronization
package import TinctureTensors
package import TinctureTorch

/// How a mask over all elements is learned.
public struct MaskSettings: Sendable, Hashable {
  /// T, by which numbers are divided before the sigmoid.
  public var temperature = 0.5
  /// The step size of the mask.
  public var rate = 1e-3
  /// The decay of AdamW; 0 is Adam.
  public var decay = 0.0
  /// The coefficients of task vectors.
  public var coefficients = CoefficientSettings()
  /// The step size of coefficients within each step of the mask; nil leaves them as they are.
  public var innerRate: Double?
  /// The seed of the random masks.
  public var seed: UInt64 = 0

  /// The published settings with coefficients that stay.
  public init() {}
}

/// A merge θ = θ₀ + m ∘ Σ λ τ whose mask m is learned: a number for every element, common to all tasks.
///
/// s = σ((ln u − ln(1 − u) + x) / T) with u uniform in (0, 1), m = s / mean(s) for each tensor; x begins at 0. With
/// an inner step size every step has two halves with the same mask: first the coefficients, which begin anew,
/// do one step of Adam; then x does one step by the loss with these. The derivative is
/// ∂loss/∂x = s (1 − s) / (T mean(s)) ∘ (g − mean(g ∘ m)), g = G ∘ Σ λ τ. Source: Tang et al., arXiv:2312.06173.
package final class ConcreteMerge: LearnableMerge {
  private struct Mask {
    let soft: TorchTensor
    let mean: TorchTensor
    let scaled: TorchTensor
  }

  /// The base and the task vectors.
  package let vectors: TaskVectorSet
  private let settings: MaskSettings
  private let device: TorchDevice
  private let start: CoefficientTable
  private var table: CoefficientTable
  private var inner: CoefficientOptimizer
  private let logits: LearnedTensors
  private let base: [TorchTensor]
  /// Σ λ τ with the coefficients of the start.
  private let firstDirections: [TorchTensor]
  private var directions: [TorchTensor]
  private var masks: [Mask]?
  private var gradients: [TorchTensor]?
  private var steps = 0
  private var isInner: Bool

  /// Begins with a mask of ones.
  ///
  /// - Parameters:
  ///   - vectors: The base and the task vectors.
  ///   - settings: How the mask is learned.
  ///   - device: Where merged tensors shall lie.
  ///   - given: Makes what stands for Σ τ of a tensor, multiplied by the first coefficient; nil takes the sum.
  /// - Throws: What reading throws, `engine` when memory runs out.
  package init(
    _ vectors: TaskVectorSet, _ settings: MaskSettings, on device: TorchDevice,
    given: ((Int) throws(TinctureError) -> [Float])? = nil
  ) throws(TinctureError) {
    (self.vectors, self.settings, self.device) = (vectors, settings, device)
    let merge = CoefficientMerge(vectors, settings.coefficients, on: device)
    start = merge.table
    table = start
    inner = CoefficientOptimizer(count: start.raw.count, learningRate: settings.innerRate ?? 0)
    isInner = settings.innerRate != nil
    var (base, zeros): ([TorchTensor], [TorchTensor]) = ([], [])
    for (index, tensor) in vectors.tensors.enumerated() {
      base.append(try vectors.base[index].tensor(tensor.extents, on: device))
      zeros.append(try .zeros(tensor.extents, on: device))
    }
    self.base = base
    let rule: OptimizationRule =
      settings.decay > 0 ? .adamW(weightDecay: settings.decay) : .adam()
    logits = try LearnedTensors(zeros, rule, rate: settings.rate)
    if let given {
      var directions: [TorchTensor] = []
      let scale = Double(settings.coefficients.starts.first ?? 1)
      for (index, tensor) in vectors.tensors.enumerated() {
        let own = try TorchTensor(given(index), shape: tensor.extents, on: device)
        directions.append(try own * scale)
      }
      firstDirections = directions
    } else {
      firstDirections = try Self.directions(vectors, start, on: device)
    }
    directions = firstDirections
  }

  private static func directions(
    _ vectors: TaskVectorSet, _ table: CoefficientTable, on device: TorchDevice
  ) throws(TinctureError) -> [TorchTensor] {
    let sums = try parallelMap(vectors.tensors.count, workers: vectors.workers) {
      (index) throws(TinctureError) in try vectors.merged(index, table, addingBase: false)
    }
    var tensors: [TorchTensor] = []
    for (sum, tensor) in zip(sums, vectors.tensors) {
      tensors.append(try sum.tensor(tensor.extents, on: device))
    }
    return tensors
  }

  /// The masks of the present step: random ones, or, without chance, σ(x / T).
  private func makeMasks(isRandom: Bool) throws(TinctureError) -> [Mask] {
    let (vectors, seed, step) = (vectors, settings.seed, steps)
    let uniform: [FloatMemory] =
      !isRandom
      ? []
      : try parallelMap(vectors.tensors.count, workers: vectors.workers) {
        (index) throws(TinctureError) in
        let random = CounterRandom(
          seed: seed, tensor: vectors.tensors[index].name, model: step, purpose: "concrete mask")
        return FloatMemory(count: vectors.tensors[index].elementCount) { numbers in
          // Away from 0 and 1, where the logarithms end.
          for place in 0..<numbers.count {
            numbers[place] = Float(max(1e-6, min(1 - 1e-6, random.uniform(at: place))))
          }
        }
      }
    var masks: [Mask] = []
    for (index, tensor) in vectors.tensors.enumerated() {
      var x = try logits.tensors[index].detached()
      if isRandom {
        let u = try uniform[index].tensor(tensor.extents, on: device)
        x = try x + (u.log() - (1 - u).log())
      }
      let soft = try (x / settings.temperature).sigmoid()
      let mean = try soft.mean()
      masks.append(Mask(soft: soft, mean: mean, scaled: try soft / mean))
    }
    return masks
  }

  package func assemble() throws(TinctureError) -> MergedTensors {
    let masks = if let masks { masks } else { try makeMasks(isRandom: true) }
    self.masks = masks
    var tensors: [TorchTensor] = []
    for index in base.indices {
      let merged = try base[index] + masks[index].scaled * directions[index]
      tensors.append(try merged.requiringGradient())
    }
    return MergedTensors(tensors: tensors, leaves: tensors)
  }

  package func accumulate(_ gradients: [TorchTensor]) throws(TinctureError) -> Bool {
    guard try gradients.areFinite() else { return false }
    self.gradients = try gradients.added(to: self.gradients)
    return true
  }

  package func step(_ step: Int, of count: Int) throws(TinctureError) {
    guard let masks, let gradients else { return }
    self.gradients = nil
    if isInner {
      try stepCoefficients(masks, gradients)
      isInner = false
      return
    }
    var slopes: [TorchTensor] = []
    for (index, mask) in masks.enumerated() {
      let g = try gradients[index] * directions[index]
      let change = try (g - (g * mask.scaled).mean()) / mask.mean
      slopes.append(try change * mask.soft * (1 - mask.soft) / settings.temperature)
    }
    try logits.step(slopes)
    steps += 1
    self.masks = nil
    guard settings.innerRate != nil else { return }
    (table, directions, isInner) = (start, firstDirections, true)
  }

  /// One step of the coefficients from where they began: ∂loss/∂λ = ⟨G ∘ m, τ⟩.
  private func stepCoefficients(
    _ masks: [Mask], _ gradients: [TorchTensor]
  ) throws(TinctureError) {
    var products: [[Double]] = []
    for (index, mask) in masks.enumerated() {
      products.append(
        try vectors.products(index, gradients[index] * mask.scaled, start))
    }
    var raw = start.raw
    inner.step(&raw, start.gradient(products))
    table.raw = raw
    directions = try Self.directions(vectors, table, on: device)
  }

  /// The masks with which models are merged in the end, tensor by tensor.
  ///
  /// - Parameter isRandom: Whether they are drawn as in learning; otherwise each is σ(x / T), scaled to mean 1.
  /// - Returns: m of each tensor, and the share of elements with x above 0.
  /// - Throws: `engine` when LibTorch fails.
  package func finished(
    isRandom: Bool
  ) throws(TinctureError) -> (masks: [FloatMemory], share: Double) {
    var found: [FloatMemory] = []
    var (above, count) = (0.0, 0.0)
    for (index, mask) in try makeMasks(isRandom: isRandom).enumerated() {
      found.append(try FloatMemory(mask.scaled))
      let x = try logits.tensors[index].detached()
      above += Double(try (x .> 0).converted(to: .f32).sum().item(as: Float.self))
      count += Double(x.elementCount)
    }
    return (found, above / max(1, count))
  }

  /// θ₀ + m ∘ Σ λ τ of a tensor, with a mask and the coefficients of the start.
  package func merged(_ index: Int, _ mask: FloatMemory) throws(TinctureError) -> FloatMemory {
    let mask = try mask.tensor(vectors.tensors[index].extents, on: device)
    return try FloatMemory(base[index] + mask * firstDirections[index])
  }

  package var coefficientRange: ClosedRange<Double>? {
    guard settings.innerRate != nil else { return nil }
    let values = table.raw.map { Double(table.link.coefficient($0)) }
    guard let least = values.min(), let greatest = values.max() else { return nil }
    return least...greatest
  }

  package func save(into snapshot: inout FitSnapshot) throws(TinctureError) {
    try logits.save(into: &snapshot, "mask")
    snapshot.numbers["mask.rounds"] = steps
    snapshot.numbers["mask.inner"] = isInner ? 1 : 0
    snapshot.set("coefficients", table.raw)
    snapshot.set("coefficients.first", inner.first)
    snapshot.set("coefficients.second", inner.second)
    snapshot.numbers["coefficients.steps"] = inner.steps
  }

  package func restore(from snapshot: FitSnapshot) throws(TinctureError) {
    try logits.restore(from: snapshot, "mask")
    steps = try snapshot.number("mask.rounds")
    isInner = try snapshot.number("mask.inner") == 1
    table.raw = try snapshot.floats("coefficients", count: table.raw.count)
    inner.restore(
      first: try snapshot.doubles("coefficients.first", count: table.raw.count),
      second: try snapshot.doubles("coefficients.second", count: table.raw.count),
      steps: try snapshot.number("coefficients.steps"))
    (masks, gradients) = (nil, nil)
    if table.raw != start.raw { directions = try Self.directions(vectors, table, on: device) }
  }
}
