internal import TinctureTensors

/// Order statistics of the elements of several models, counted by many workers.
///
/// What a worker counts in the first pass, or in the second after a selection, is added to what others did.
struct OrderTally: Sendable {
  private let order: OrderStatistic.Order
  private var statistics: [Int: OrderStatistic] = [:]

  init(_ order: OrderStatistic.Order = .magnitude) { self.order = order }

  mutating func count(_ x: Span<Float>, model: Int) {
    statistics[model, default: OrderStatistic(order)].count(x)
  }

  mutating func refine(_ x: Span<Float>, model: Int) { statistics[model]?.refine(x) }

  mutating func add(counts other: OrderTally) {
    for (model, statistic) in other.statistics {
      if statistics[model]?.add(counts: statistic) == nil { statistics[model] = statistic }
    }
  }

  mutating func add(refinements other: OrderTally) {
    for (model, statistic) in other.statistics { statistics[model]?.add(refinements: statistic) }
  }

  mutating func select(_ ranks: [Int: [Int]]) {
    for (model, own) in ranks { statistics[model]?.select(own) }
  }

  /// The models that were counted, by their position in the recipe.
  var models: [Int] { statistics.keys.sorted() }

  func total(_ model: Int) -> Int { statistics[model]?.total ?? 0 }

  func finding(_ model: Int, rank: Int) -> OrderStatistic.Finding? {
    statistics[model]?.finding(rank: rank)
  }
}
