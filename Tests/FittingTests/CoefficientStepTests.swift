import Foundation
import Testing
import TinctureTensors
import TinctureTorch

@testable import TinctureFitting

@Suite("Steps of coefficients against plain formulas", .needsLibTorch)
struct CoefficientStepTests {
  private let fixture = QuadraticFixture()

  @Test("AdamW with a penalty, a shortened derivative and anchoring", arguments: [1.0, 2, 3])
  func adamW(exponent: Double) throws {
    var settings = CoefficientSettings()
    (settings.link, settings.rate, settings.decay) = (.identity, 0.05, 0.1)
    settings.starts = [0.2]
    settings.largestGradient = 1
    settings.penalty = (weight: 0.5, exponent: exponent)
    settings.anchoring = 0.3
    let merge = CoefficientMerge(fixture.vectors, settings, on: .cpu)
    var (first, second) = ([Double](repeating: 0, count: 6), [Double](repeating: 0, count: 6))
    var values = [Double](repeating: 0.2, count: 6)
    for step in 0..<5 {
      #expect(try fixture.learn(merge))
      try merge.step(step, of: 5)
      let rows = [Array(values[0..<3]), Array(values[3..<6])]
      var g = fixture.products(fixture.gradient(fixture.merged(rows))).flatMap { $0 }
      for index in g.indices {
        let own = rows[index / 3]
        let norm = pow(own.reduce(0) { $0 + pow(abs($1), exponent) }, 1 / exponent)
        let sign = values[index] < 0 ? -1.0 : 1.0
        g[index] += 0.5 * 0.5 * sign * pow(abs(values[index]) / norm, exponent - 1)
        let distance = values[index] - 0.2
        g[index] += step == 0 ? 0 : 0.3 / 6 * (distance > 0 ? 1 : -1)
      }
      let length = g.reduce(0) { $0 + $1 * $1 }.squareRoot()
      #expect(length > 1)
      for index in g.indices {
        let d = g[index] / (length + 1e-6)
        first[index] = 0.9 * first[index] + 0.1 * d
        second[index] = 0.999 * second[index] + 0.001 * d * d
        let m = first[index] / (1 - pow(0.9, Double(step + 1)))
        let v = second[index] / (1 - pow(0.999, Double(step + 1)))
        values[index] = values[index] * (1 - 0.05 * 0.1) - 0.05 * m / (v.squareRoot() + 1e-8)
      }
    }
    for (found, wanted) in zip(merge.table.raw, values) {
      #expect(abs(Double(found) - wanted) < 1e-4)
    }
  }

  @Test("tanh: the derivative of the raw values is 1 − λ² times that of the coefficients")
  func tanhLink() throws {
    var settings = CoefficientSettings()
    (settings.link, settings.rate) = (.tanh, 0.01)
    let merge = CoefficientMerge(fixture.vectors, settings, on: .cpu)
    #expect(try fixture.learn(merge))
    let rows = [[0.3, 0.3, 0.3], [0.3, 0.3, 0.3]]
    let products = fixture.products(fixture.gradient(fixture.merged(rows))).flatMap { $0 }
    var snapshot = FitSnapshot()
    try merge.save(into: &snapshot)
    let found = try snapshot.floats("coefficients.gradient", count: 6)
    for (value, product) in zip(found, products) {
      #expect(abs(Double(value) - product * (1 - 0.09)) < 1e-4)
    }
    #expect(abs(merge.table.raw[0] - Float(atanh(0.3))) < 1e-6)
  }

  @Test("What was kept comes back, also through a snapshot")
  func keeps() throws {
    let merge = CoefficientMerge(fixture.vectors, CoefficientSettings(), on: .cpu)
    #expect(try fixture.learn(merge))
    try merge.step(0, of: 2)
    merge.keep()
    let best = merge.table
    #expect(try fixture.learn(merge))
    try merge.step(1, of: 2)
    #expect(merge.table != best)
    var snapshot = FitSnapshot()
    try merge.save(into: &snapshot)
    let other = CoefficientMerge(fixture.vectors, CoefficientSettings(), on: .cpu)
    try other.restore(from: snapshot)
    #expect(other.table == merge.table)
    other.takeKept()
    #expect(other.table == best)
  }

  @Test("Random parts: merges and inner products are those of plain loops", arguments: [1, 3])
  func parts(workers: Int) throws {
    var vectors = fixture.vectors
    vectors.workers = workers
    var table = CoefficientTable(
      .part, tensors: vectors.tensors, starts: [0.1, 0.2, 0.3], link: .identity,
      chunkCounts: [3, 3], seed: 5)
    // Three parts of the matrix; the vector is not divided.
    #expect(table.raw.count == 12)
    table.raw = (0..<12).map { Float($0) / 10 }
    let parts = RandomParts(3, seed: 5, tensor: "t0")
    #expect(table.parts(0) == parts && table.parts(1) == nil)
    let merged = try vectors.assemble(table, on: .cpu).tensors
    let found = try merged[0].detached().array(as: Float.self)
    for place in 0..<6 {
      var wanted = fixture.base[0][place]
      for task in 0..<3 {
        wanted += table.raw[3 * parts.part(of: place) + task] * fixture.deltas[task][0][place]
      }
      #expect(abs(found[place] - wanted) < 1e-5)
    }
    let g = (0..<6).map { Float($0) - 2 }
    let products = try vectors.products(0, g.span, table)
    for part in 0..<3 {
      for task in 0..<3 {
        let wanted = (0..<6).filter { parts.part(of: $0) == part }
          .reduce(0.0) { $0 + Double(g[$1] * fixture.deltas[task][0][$1]) }
        #expect(abs(products[3 * part + task] - wanted) < 1e-5)
      }
    }
  }

  @Test("Parts are even, and depend on seed and tensor alone")
  func evenParts() {
    let parts = RandomParts(4, seed: 1, tensor: "w")
    var counts = [0, 0, 0, 0]
    for place in 0..<4000 { counts[parts.part(of: place)] += 1 }
    #expect(counts.allSatisfy { abs($0 - 1000) < 120 })
    #expect(parts.parts(of: 10..<20) == (10..<20).map(parts.part))
    #expect(RandomParts(4, seed: 2, tensor: "w").parts(of: 0..<99) != parts.parts(of: 0..<99))
  }

  @Test("Sums of task vectors and their inner products")
  func sums() throws {
    let vectors = fixture.vectors
    let rows: [[[Float]]] = [[[1, 0, 0], [1, 0, 0]], [[0, 2, -1], [0, 0.5, 3]]]
    let set = try vectors.combined(rows)
    #expect(set.taskCount == 2)
    let table = CoefficientTable(
      .task, tensors: set.tensors, starts: [0.5, 2], link: .identity)
    let found = try set.assemble(table, on: .cpu).tensors
    for tensor in 0..<2 {
      let values = try found[tensor].detached().array(as: Float.self)
      for place in values.indices {
        let second = (0..<3).reduce(Float(0)) {
          $0 + rows[1][tensor][$1] * fixture.deltas[$1][tensor][place]
        }
        let wanted =
          fixture.base[tensor][place] + 0.5 * fixture.deltas[0][tensor][place] + 2 * second
        #expect(abs(values[place] - wanted) < 1e-5)
      }
    }
    let gram = try vectors.gram()
    for first in 0..<3 {
      for second in 0..<3 {
        let wanted = zip(
          fixture.deltas[first].flatMap { $0 }, fixture.deltas[second].flatMap { $0 }
        )
        .reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
        #expect(abs(gram[first][second] - wanted) < 1e-5)
      }
    }
  }

  @Test("Chunks by importance: shares of the budget, rounded down")
  func importance() throws {
    let table = CoefficientTable(
      .layer, tensors: fixture.vectors.tensors, starts: [0.5, 1, 2], link: .identity)
    let found = try TensorImportance(fixture.vectors, table, learned: [true, true])
    let own = (0..<2).map { tensor in
      zip([0.5, 1, 2], fixture.deltas).reduce(0.0) { sum, pair in
        sum + pair.0 * pair.1[tensor].reduce(0) { $0 + Double(abs($1)) }
      }
    }
    for tensor in 0..<2 {
      #expect(abs(found.shares[tensor] - own[tensor] / (own[0] + own[1])) < 1e-6)
    }
    let shares = TensorImportance(shares: [0.5, 0.3, 0.15, 0.05, 0])
    #expect(shares.chunkCounts(budget: 1, exponent: 1) == [2, 1, 0, 0, 0])
    #expect(shares.chunkCounts(budget: 1, exponent: 0) == [1, 1, 1, 1, 0])
    #expect(shares.chunkCounts(budget: 2.5, exponent: 1) == [5, 3, 1, 0, 0])
  }
}
