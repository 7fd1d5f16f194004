import Foundation
import Testing
import TinctureTensors

@testable import TinctureFitting

@Suite("Pareto fronts by surrogates")
struct ParetoTests {
  private typealias Link = QuadraticSurrogate.Link

  @Test("A surrogate finds the polynomial behind its points", arguments: [0, 1, 2])
  func surrogate(kind: Int) throws {
    let link = [Link.sigmoid, .softplus, .identity][kind]
    // x² − 2y² + 3xy − x + y/2 + 0.3
    func polynomial(_ c: [Double]) -> Double {
      c[0] * c[0] - 2 * c[1] * c[1] + 3 * c[0] * c[1] - c[0] + 0.5 * c[1] + 0.3
    }
    var random = SeededNumbers(seed: 1, purpose: "test")
    let points = CoefficientSamples.points(24, dimension: 2, isotropic: 0.2, &random)
    let values = points.map { link.value(polynomial($0)) }
    let surrogate = try QuadraticSurrogate(points, values, link: link)
    #expect(surrogate.deviation < 1e-6)
    for (found, wanted) in zip(surrogate.factors, [1, -2, 3, -1, 0.5, 0.3]) {
      #expect(abs(found - wanted) < 1e-3)
    }
    #expect(abs(surrogate([0.3, 0.7]) - link.value(polynomial([0.3, 0.7]))) < 1e-5)
  }

  @Test("Levenberg and Marquardt's steps end at a least square that no small step betters")
  func leastSquares() throws {
    var random = SeededNumbers(seed: 2, purpose: "test")
    let points = CoefficientSamples.points(20, dimension: 1, isotropic: 0, &random)
    let values = points.map { 0.5 + 0.3 * sin(5 * $0[0]) }
    let fit = try QuadraticSurrogate(points, values, link: .sigmoid)
    func loss(_ factors: [Double]) -> Double {
      zip(points, values).reduce(0) { sum, pair in
        let x = factors[0] * pair.0[0] * pair.0[0] + factors[1] * pair.0[0] + factors[2]
        let rest = pair.1 - 1 / (1 + exp(-x))
        return sum + rest * rest
      }
    }
    let best = loss(fit.factors)
    #expect(abs((best / 20).squareRoot() - fit.deviation) < 1e-9)
    for place in 0..<3 {
      for step in [-1e-3, 1e-3] {
        var other = fit.factors
        other[place] += step
        #expect(loss(other) >= best)
      }
    }
    #expect(throws: TinctureError.self) {
      try QuadraticSurrogate(Array(points.prefix(2)), Array(values.prefix(2)), link: .identity)
    }
  }

  @Test("The search finds a known front, the same one again")
  func search() {
    // Distances to two points: the front is the line between them.
    var search = ParetoSearch(dimension: 2, respects: 2) { c in
      [(0.2, 0.3), (0.8, 0.6)].map { x, y in
        -((c[0] - x) * (c[0] - x) + (c[1] - y) * (c[1] - y))
      }
    }
    (search.population, search.generations) = (50, 25)
    let front = search.front(seed: 3)
    #expect(front == search.front(seed: 3))
    #expect(front != search.front(seed: 4))
    #expect(front.count > 20)
    #expect(zip(front, front.dropFirst()).allSatisfy { $0.values[0] <= $1.values[0] })
    let far = front.map { abs(($0.coefficients[0] - 0.2) * 0.3 - ($0.coefficients[1] - 0.3) * 0.6) }
    #expect(far.reduce(0, +) / Double(far.count) < 0.02)
    #expect(front.allSatisfy { $0.coefficients.allSatisfy { (0...1).contains($0) } })
    for point in front { #expect(!front.contains { $0.dominates(point) }) }
    let spread = (front.last?.values[0] ?? 0) - (front.first?.values[0] ?? 0)
    #expect(spread > 0.35)
  }

  @Test("Directions are those of Deb and Jain's layers")
  func directions() {
    #expect(ParetoSearch.simplex(3, parts: 2).count == 6)
    #expect(ParetoSearch.simplex(2, parts: 1) == [[0, 1], [1, 0]])
  }

  @Test("Samples have corners, equal coefficients and points of the grid")
  func samples() {
    var random = SeededNumbers(seed: 9, purpose: "test")
    let points = CoefficientSamples.points(30, dimension: 3, isotropic: 0.2, &random)
    #expect(points.count == 30)
    #expect(Array(points.prefix(3)) == [[1, 0, 0], [0, 1, 0], [0, 0, 1]])
    #expect(points[3...4].allSatisfy { $0.allSatisfy { [first = $0[0]] in $0 == first } })
    #expect(points.allSatisfy { $0.allSatisfy { (0...1).contains($0) } })
    #expect(Set(points).count == 30)
  }

  @Test("Maps choose by the preference, at once and in a tree", arguments: [false, true])
  func mapping(isNested: Bool) throws {
    // Every task is best where its own coefficient is large and the others' are small.
    let tasks = isNested ? 5 : 3
    func figures(_ c: [Double], _ own: [Int]) -> [Double] {
      own.map { task in
        let others = c.enumerated().reduce(0) { $0 + ($1.offset == task ? 0 : $1.element) }
        return 1 / (1 + exp(-(2 * c[task] - 0.7 * others * others)))
      }
    }
    var settings = ParetoMapping.Settings()
    settings.isNested = isNested
    // Less than by default: without optimisation a search takes long.
    (settings.population, settings.generations) = (50, 12)
    let kinds = Array(
      repeating: ParetoMapping.Figure(isHigherBetter: true, link: .sigmoid), count: tasks)
    var weights = Array(repeating: 0.1, count: tasks)
    weights[1] = 5
    var count = 0
    let first = try ParetoMapping(kinds, preference: weights, settings)
      .run { (c, own) throws(TinctureError) in
        count += 1
        return figures(c, own)
      }
    #expect(first.stages.count == (isNested ? 4 : 1))
    #expect(count == ParetoMapping(kinds, preference: weights, settings).evaluationCount)
    #expect(first.coefficients[1] > 0.6)
    #expect(first.coefficients.enumerated().allSatisfy { $0 == 1 || $1 < first.coefficients[1] })
    let equal = try ParetoMapping(
      kinds, preference: Array(repeating: 1, count: tasks), settings
    ).run { (c, own) throws(TinctureError) in figures(c, own) }
    #expect(equal.coefficients[1] < first.coefficients[1])
  }

  @Test("Where less is better, the front goes the other way")
  func lowerIsBetter() throws {
    let kinds = Array(
      repeating: ParetoMapping.Figure(isHigherBetter: false, link: .softplus), count: 2)
    let found = try ParetoMapping(kinds, preference: [1, 1], .init())
      .run { (c, _) throws(TinctureError) in
        [(0.9, 0.1), (0.1, 0.9)].map { x, y in
          1 + (c[0] - x) * (c[0] - x) + (c[1] - y) * (c[1] - y)
        }
      }
    let front = found.stages[0].front
    #expect(front.allSatisfy { $0.values.allSatisfy { $0 > 0.9 && $0 < 3 } })
    #expect(abs(found.coefficients[0] + found.coefficients[1] - 1) < 0.15)
  }
}
