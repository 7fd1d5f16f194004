package import TinctureTensors

/// Maps what is possible with coefficients: measures some merges, fits a surrogate to every figure, searches the
/// surrogates for the Pareto front, and chooses a point of it by a preference.
///
/// With more models than can be mapped at once, pairs of models with near figures are mapped, their chosen merges
/// take their places, and so on until one is left. The figure of a merge is the mean over its tasks by the
/// preference.
///
/// Source: MAP, arXiv:2406.07529.
package struct ParetoMapping: Sendable {
  /// What a task's figure is like.
  package struct Figure: Sendable, Hashable {
    /// Whether more is better.
    package var isHigherBetter: Bool
    /// How it depends on a polynomial.
    package var link: QuadraticSurrogate.Link

    /// Describes a figure.
    package init(isHigherBetter: Bool, link: QuadraticSurrogate.Link) {
      (self.isHigherBetter, self.link) = (isHigherBetter, link)
    }
  }

  /// How it goes.
  package struct Settings: Sendable, Hashable {
    /// How many merges are measured for a map.
    package var evaluations = 50
    /// The share of them with equal coefficients.
    package var isotropic = 0.2
    /// Whether pairs are mapped in a tree.
    package var isNested = false
    /// Between which bounds coefficients are searched.
    package var bounds = 0.0...1.0
    /// How many points a search has at a time.
    package var population = 100
    /// How often they are replaced.
    package var generations = 25
    /// The seed.
    package var seed: UInt64 = 0

    /// The default settings.
    package init() {}
  }

  /// What was found out about some models.
  package struct Stage: Sendable, Hashable {
    /// What is merged, with the tasks of each.
    package let tasks: [[Int]]
    /// The measured merges: coefficients, and the figure of each model's tasks.
    package let measured: [ParetoPoint]
    /// How far the surrogates are from them.
    package let deviations: [Double]
    /// The front, with the figures that are expected.
    package let front: [ParetoPoint]
    /// Which point of the front is chosen.
    package let chosen: Int
  }

  private struct Node {
    var tasks: [Int]
    var coefficients: [Double]
    var figure: Double
  }

  private let figures: [Figure]
  private let preference: [Double]
  private let settings: Settings

  /// Prepares a map.
  ///
  /// - Parameters:
  ///   - figures: What the figures of the tasks are like.
  ///   - preference: How much each task matters; at least one is above zero.
  ///   - settings: How it goes.
  package init(_ figures: [Figure], preference: [Double], _ settings: Settings) {
    let sum = preference.reduce(0, +)
    self.figures = figures
    self.preference = preference.map { $0 / (sum > 0 ? sum : 1) }
    self.settings = settings
  }

  /// How many merges are measured.
  package var evaluationCount: Int {
    settings.isNested
      ? (figures.count - 1) * settings.evaluations + figures.count : settings.evaluations
  }

  /// Maps and chooses.
  ///
  /// - Parameter measure: Measures some tasks of the merge with a coefficient for every model.
  /// - Returns: The coefficients of the chosen merge, and what was found out step by step.
  /// - Throws: What `measure` throws, `data` for figures that are not finite.
  package func run(
    _ measure: ([Double], [Int]) throws(TinctureError) -> [Double]
  ) throws(TinctureError) -> (coefficients: [Double], stages: [Stage]) {
    let count = figures.count
    var nodes = (0..<count).map { task in
      Node(
        tasks: [task], coefficients: (0..<count).map { $0 == task ? 1 : 0 }, figure: 0)
    }
    guard settings.isNested, count > 2 else {
      let (node, stage) = try mapped(nodes, number: 0, measure)
      return (node.coefficients, [stage])
    }
    for index in nodes.indices {
      nodes[index].figure = try measure(nodes[index].coefficients, [index])[0]
    }
    var stages: [Stage] = []
    while nodes.count > 1 {
      // Stable, so that equal figures keep the order of the models.
      let order = nodes.indices.sorted { (nodes[$0].figure, $0) < (nodes[$1].figure, $1) }
      var next: [Node] = []
      for place in stride(from: 0, to: order.count, by: 2) {
        guard place + 1 < order.count else {
          next.append(nodes[order[place]])
          continue
        }
        let pair = [order[place], order[place + 1]].sorted().map { nodes[$0] }
        let (node, stage) = try mapped(pair, number: stages.count, measure)
        next.append(node)
        stages.append(stage)
      }
      nodes = next
    }
    return (nodes[0].coefficients, stages)
  }

  /// Maps the merges of some nodes.
  private func mapped(
    _ nodes: [Node], number: Int,
    _ measure: ([Double], [Int]) throws(TinctureError) -> [Double]
  ) throws(TinctureError) -> (Node, Stage) {
    let tasks = nodes.flatMap(\.tasks)
    var random = SeededNumbers(
      seed: settings.seed &+ UInt64(number), purpose: "coefficients of merges to measure")
    let samples = CoefficientSamples.points(
      settings.evaluations, dimension: nodes.count, isotropic: settings.isotropic, &random)
    var measured: [ParetoPoint] = []
    for sample in samples {
      let values = try measure(combined(nodes, sample), tasks)
      var own: [Double] = []
      var start = 0
      for node in nodes {
        own.append(mean(Array(values[start..<start + node.tasks.count]), node.tasks))
        start += node.tasks.count
      }
      measured.append(ParetoPoint(sample, own))
    }
    var surrogates: [QuadraticSurrogate] = []
    for (place, node) in nodes.enumerated() {
      surrogates.append(
        try QuadraticSurrogate(
          samples, measured.map { $0.values[place] }, link: figure(node.tasks).link))
    }
    let kinds = nodes.map { figure($0.tasks) }
    let fitted = surrogates
    var search = ParetoSearch(dimension: nodes.count, respects: nodes.count) { point in
      zip(fitted, kinds).map { $1.isHigherBetter ? $0(point) : -$0(point) }
    }
    search.bounds = settings.bounds
    search.population = settings.population
    search.generations = settings.generations
    let front = search.front(seed: settings.seed &+ UInt64(number))
    let weights = nodes.map { $0.tasks.reduce(0) { $0 + preference[$1] } }
    guard let chosen = Self.choice(front, weights) else {
      throw TinctureError(.data, "The surrogates of the figures have no Pareto front.")
    }
    let shown = front.map { point in
      ParetoPoint(
        point.coefficients, zip(point.values, kinds).map { $1.isHigherBetter ? $0 : -$0 })
    }
    let values = shown[chosen].values
    let sum = weights.reduce(0, +)
    let node = Node(
      tasks: tasks, coefficients: combined(nodes, front[chosen].coefficients),
      figure: zip(values, weights).reduce(0) { $0 + $1.0 * $1.1 / (sum > 0 ? sum : 1) })
    let stage = Stage(
      tasks: nodes.map(\.tasks), measured: measured, deviations: surrogates.map(\.deviation),
      front: shown, chosen: chosen)
    return (node, stage)
  }

  private func combined(_ nodes: [Node], _ coefficients: [Double]) -> [Double] {
    figures.indices.map { task in
      zip(nodes, coefficients).reduce(0) { $0 + $1.0.coefficients[task] * $1.1 }
    }
  }

  /// What the mean figure of several tasks is like; of tasks with opposite directions it is turned so that more
  /// is better.
  private func figure(_ tasks: [Int]) -> Figure {
    let kinds = Set(tasks.map { figures[$0] })
    if kinds.count == 1, let kind = kinds.first { return kind }
    let directions = Set(kinds.map(\.isHigherBetter))
    return Figure(
      isHigherBetter: directions.count > 1 || directions.contains(true), link: .identity)
  }

  private func mean(_ values: [Double], _ tasks: [Int]) -> Double {
    let isMixed = Set(tasks.map { figures[$0].isHigherBetter }).count > 1
    let weights = tasks.map { preference[$0] }
    let sum = weights.reduce(0, +)
    return zip(zip(values, tasks), weights).reduce(0) { total, part in
      let sign = isMixed && !figures[part.0.1].isHigherBetter ? -1.0 : 1.0
      let weight = sum > 0 ? part.1 / sum : 1 / Double(tasks.count)
      return total + sign * part.0.0 * weight
    }
  }

  /// The point of the greatest weighted sum, each value divided by its length over the front.
  static func choice(_ front: [ParetoPoint], _ weights: [Double]) -> Int? {
    let lengths = weights.indices.map { place in
      front.reduce(0) { $0 + $1.values[place] * $1.values[place] }.squareRoot()
    }
    func sum(_ point: ParetoPoint) -> Double {
      zip(zip(point.values, lengths), weights).reduce(0) {
        $0 + ($1.0.1 > 0 ? $1.0.0 / $1.0.1 : 0) * $1.1
      }
    }
    return front.indices.max { sum(front[$0]) < sum(front[$1]) }
  }
}
