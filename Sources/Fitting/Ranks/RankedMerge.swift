package import TinctureTensors
package import TinctureTorch

/// How it is learned which singular directions of task vectors take part.
public struct RankSettings: Sendable, Hashable {
  /// The coefficient with which every task vector begins.
  public var start: Float = 0.3
  /// The share of the singular directions of a matrix that take part at first, the largest.
  public var openShare = 1.0
  /// Whether task vectors are taken from the mean of the experts, to which they are added, in place of the base.
  public var isCentered = false
  /// Whether directions take part by degrees.
  public var isSoft = false
  /// The step size.
  public var rate = 1e-3

  /// The published settings for eight or fourteen task vectors.
  public init() {}
}

/// A merge of task vectors whose singular directions are switched on and off.
///
/// For a matrix in a layer of the network W = O + Σₜ λₜ Uₜ diag(bₜ ∘ σₜ) Vₜ, for other tensors O + Σₜ λₜ Δₜ, where Δₜ is the
/// difference to the origin O. p = sigmoid(x / 10) is the degree of a direction; b is 1 where p > ½, else 0, and its
/// derivative is that of p. With c = λ b σ and the derivative G of the loss, ∂loss/∂c = diag(Uᵀ G Vᵀ), so that two products
/// of matrices for each tensor give all derivatives. Source: arXiv:2503.22178.
package final class RankedMerge: LearnableMerge {
  /// The base and the task vectors.
  package let vectors: TaskVectorSet
  /// λ by tensor and task.
  package private(set) var table: CoefficientTable
  private let settings: RankSettings
  private let device: TorchDevice
  private let factors: [RankFactors?]
  /// x, tensor after tensor.
  private var logits: [Float] = []
  private var adam: CoefficientOptimizer
  private var gradients: [TorchTensor]?

  /// Takes task vectors apart.
  ///
  /// - Parameters:
  ///   - vectors: The base and the task vectors.
  ///   - settings: How it is learned.
  ///   - device: Where merged tensors shall lie.
  /// - Throws: What reading and linear algebra throw.
  /// - Complexity: T decompositions of each matrix; memory of about their factors in single precision.
  package init(
    _ vectors: TaskVectorSet, _ settings: RankSettings, on device: TorchDevice
  ) throws(TinctureError) {
    (self.vectors, self.settings, self.device) = (vectors, settings, device)
    table = CoefficientTable(
      .layer, tensors: vectors.tensors,
      starts: Array(repeating: settings.start, count: vectors.taskCount), link: .identity)
    var factors: [RankFactors?] = []
    for (index, tensor) in vectors.tensors.enumerated() {
      guard tensor.extents.count == 2, tensor.layer != nil, tensor.elementCount > 0 else {
        factors.append(nil)
        continue
      }
      let own = try RankFactors(
        vectors, index, first: logits.count, isCentered: settings.isCentered, on: device)
      let open = Int(settings.openShare * Double(tensor.extents.min() ?? 0))
      let (inside, outside): (Float, Float) = settings.isSoft ? (2, 0) : (0.1, -0.1)
      logits += own.ranks.map { $0 < open ? inside : outside }
      factors.append(own)
    }
    self.factors = factors
    adam = CoefficientOptimizer(count: table.raw.count + logits.count, learningRate: settings.rate)
  }

  private func coefficient(_ index: Int, _ task: Int) -> Float {
    table.raw[index * vectors.taskCount + task]
  }

  /// p of a direction.
  private func degree(_ place: Int) -> Float { 1 / (1 + expNegated(logits[place] / 10)) }

  /// b of a direction.
  private func weight(_ place: Int) -> Float {
    let degree = degree(place)
    return settings.isSoft ? degree : degree > 0.5 ? 1 : 0
  }

  /// The share of singular directions that take part, by degrees if there are some.
  package var openShare: Double {
    let sum = logits.indices.reduce(0) { $0 + Double(weight($1)) }
    return sum / Double(max(1, logits.count))
  }

  /// The coefficients of the task vectors in tensors that are not taken apart.
  ///
  /// O + Σ λ Δ is θ₀ + Σ c τ with c = λ, or for the mean as origin c = 1/T + λ − mean(λ).
  private var mixed: CoefficientTable {
    guard settings.isCentered else { return table }
    var mixed = table
    let count = vectors.taskCount
    for start in stride(from: 0, to: table.raw.count, by: count) {
      let mean = table.raw[start..<start + count].reduce(0, +) / Float(count)
      for place in start..<start + count {
        mixed.raw[place] = 1 / Float(count) + table.raw[place] - mean
      }
    }
    return mixed
  }

  package func assemble() throws(TinctureError) -> MergedTensors {
    var tensors: [TorchTensor] = []
    for index in vectors.tensors.indices {
      tensors.append(try merged(index, mixed).requiringGradient())
    }
    return MergedTensors(tensors: tensors, leaves: tensors)
  }

  private func merged(_ index: Int, _ mixed: CoefficientTable) throws(TinctureError) -> TorchTensor
  {
    guard let own = factors[index] else {
      return try vectors.merged(index, mixed).tensor(vectors.tensors[index].extents, on: device)
    }
    let scales = own.values.indices.map { place in
      coefficient(index, own.tasks[place]) * weight(own.first + place) * own.values[place]
    }
    return try own.product(scales)
  }

  package func accumulate(_ gradients: [TorchTensor]) throws(TinctureError) -> Bool {
    guard try gradients.areFinite() else { return false }
    self.gradients = try gradients.added(to: self.gradients)
    return true
  }

  package func step(_ step: Int, of count: Int) throws(TinctureError) {
    guard let gradients else { return }
    self.gradients = nil
    let taskCount = vectors.taskCount
    let mixed = mixed
    var slopes = [Float](repeating: 0, count: table.raw.count + logits.count)
    for (index, gradient) in gradients.enumerated() {
      let row = index * taskCount
      guard let own = factors[index] else {
        let products = try vectors.products(index, gradient, mixed)
        let mean = settings.isCentered ? products.reduce(0, +) / Double(taskCount) : 0
        for task in 0..<taskCount { slopes[row + task] = Float(products[task] - mean) }
        continue
      }
      for (place, slope) in try own.slopes(gradient).enumerated() {
        let (task, logit) = (own.tasks[place], own.first + place)
        let degree = degree(logit)
        let scaled = slope * own.values[place]
        slopes[row + task] += scaled * weight(logit)
        slopes[table.raw.count + logit] =
          scaled * coefficient(index, task) * degree * (1 - degree) / 10
      }
    }
    var values = table.raw + logits
    adam.step(&values, slopes)
    table.raw = Array(values[..<table.raw.count])
    logits = Array(values[table.raw.count...])
  }

  /// The tensor of a number as it is merged now.
  package func finished(_ index: Int) throws(TinctureError) -> FloatMemory {
    try FloatMemory(merged(index, mixed))
  }

  package var coefficientRange: ClosedRange<Double>? {
    guard let least = table.raw.min(), let greatest = table.raw.max() else { return nil }
    return Double(least)...Double(greatest)
  }

  package func save(into snapshot: inout FitSnapshot) throws(TinctureError) {
    snapshot.set("values", table.raw + logits)
    snapshot.set("values.first", adam.first)
    snapshot.set("values.second", adam.second)
    snapshot.numbers["values.steps"] = adam.steps
  }

  package func restore(from snapshot: FitSnapshot) throws(TinctureError) {
    let count = table.raw.count + logits.count
    let values = try snapshot.floats("values", count: count)
    adam.restore(
      first: try snapshot.doubles("values.first", count: count),
      second: try snapshot.doubles("values.second", count: count),
      steps: try snapshot.number("values.steps"))
    let middle = table.raw.count
    (table.raw, logits) = (Array(values[..<middle]), Array(values[middle...]))
  }
}
