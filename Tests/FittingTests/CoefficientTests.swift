import Testing
import TinctureTensors

@testable import TinctureFitting

@Suite("Coefficients")
struct CoefficientTests {
  private func set(_ sizes: [Int], layers: [Int?]? = nil) -> [TaskVectorSet.Tensor] {
    sizes.enumerated().map { index, size in
      TaskVectorSet.Tensor(
        name: "t\(index)", extents: [size], elementCount: size, layer: layers?[index])
    }
  }

  @Test("Derivatives add up over tensors that share a coefficient")
  func sharing() {
    let products = [[1.0, 2], [10, 20], [100, 200]]
    let link = CoefficientTable.Link.clamped(0...1)
    func table(_ granularity: CoefficientTable.Granularity) -> CoefficientTable {
      CoefficientTable(
        granularity, tensors: set([4, 4, 4], layers: [0, nil, 0]), starts: [0.3, 0.4], link: link)
    }
    #expect(table(.layer).gradient(products) == [1, 2, 10, 20, 100, 200])
    #expect(table(.layer).coefficients(ofTensor: 2).map(\.values) == [[0.3, 0.4]])
    #expect(table(.task).gradient(products) == [111, 222])
    #expect(table(.task).coefficientsOfOthers == [0.3, 0.4])
    // The first and the last tensor are of one layer, the second of none.
    #expect(table(.block).gradient(products) == [101, 202, 10, 20])
  }

  @Test("Chunks cover a tensor, and one without chunks keeps the start")
  func chunks() {
    var table = CoefficientTable(
      .chunk, tensors: set([5, 3, 2]), starts: [0.5], link: .identity, chunkCounts: [2, 0, 9])
    #expect(table.raw.count == 2 + 2)
    table.raw = [1, 2, 3, 4]
    #expect(table.coefficients(ofTensor: 0).map(\.elements) == [0..<2, 2..<5])
    #expect(table.coefficients(ofTensor: 0).map(\.values) == [[1], [2]])
    #expect(table.coefficients(ofTensor: 1).map(\.values) == [[0.5]])
    #expect(table.meanCoefficients(0) == [1 * 0.4 + 2 * 0.6])
    #expect(table.gradient([[1, 2], [100], [3, 4]]) == [1, 2, 3, 4])
  }

  @Test("Links are inverse to their raw values, and slopes are those of difference quotients")
  func links() {
    for link in [CoefficientTable.Link.identity, .clamped(0...1), .sigmoid, .tanh] {
      let raw = link.raw(0.3)
      #expect(abs(link.coefficient(raw) - 0.3) < 1e-6)
      let h: Float = 1e-2
      let quotient = (link.coefficient(raw + h) - link.coefficient(raw - h)) / (2 * h)
      #expect(abs(link.slope(raw) - quotient) < 1e-4)
    }
    let bounds = CoefficientTable.Link.clamped(0...1)
    #expect(bounds.coefficient(1.5) == 1 && bounds.slope(1.5) == 0)
    #expect(bounds.slope(1) == 1 && bounds.slope(0) == 1 && bounds.slope(-0.1) == 0)
  }

  @Test("A merged tensor is the base and the scaled task vectors, and products are inner products")
  func vectors() throws {
    let set = TaskVectorSet([
      (name: "a", extents: [3], base: [1, 2, 3], vectors: [[1, 0, 0], [0, -2, 4]])
    ])
    var table = CoefficientTable(
      .chunk, tensors: set.tensors, starts: [0.5, 2], link: .identity, chunkCounts: [2])
    func merged() throws -> [Float] {
      try set.merged(0, table).withSpan(0..<3) { span in span.indices.map { span[$0] } }
    }
    #expect(try merged() == [1.5, -2, 11])
    table.raw = [2, 1, 0, 0.5]
    #expect(try merged() == [3, 1, 5])
    let g: ContiguousArray<Float> = [1, 10, 100]
    #expect(try set.products(0, g.span, table) == [1, 0, 0, 380])
  }

  @Test("Step sizes follow their schedules")
  func schedules() {
    #expect(LearningSchedule.constant.factor(7, of: 10) == 1)
    let cosine = LearningSchedule.cosine(warmup: 2)
    #expect(cosine.factor(0, of: 12) == 0.5)
    #expect(cosine.factor(1, of: 12) == 1)
    #expect(abs(cosine.factor(7, of: 12) - 0.5) < 1e-12)
    let restarts = LearningSchedule.restarts(period: 4, factor: 2)
    #expect(restarts.factor(0, of: 100) == 1)
    #expect(abs(restarts.factor(2, of: 100) - 0.5) < 1e-12)
    #expect(restarts.factor(4, of: 100) == 1)
    #expect(abs(restarts.factor(8, of: 100) - 0.5) < 1e-12)
    #expect(restarts.factor(12, of: 100) == 1)
  }
}

@Suite("Optimisers of coefficients")
struct CoefficientOptimizerTests {
  private func values(_ optimizer: CoefficientOptimizer, _ gradients: [Float]) -> [Float] {
    var optimizer = optimizer
    var x: [Float] = [1]
    return gradients.map { gradient in
      optimizer.step(&x, [gradient])
      return x[0]
    }
  }

  @Test("Adam's first step is as long as its rate, and AdamW's values decay besides")
  func adam() {
    var optimizer = CoefficientOptimizer(count: 1, learningRate: 0.1)
    #expect(abs(values(optimizer, [5])[0] - 0.9) < 1e-6)
    // m = 0.1·(0.9·5 + 1)/0.19, v = 0.001·(0.999·25 + 1)/0.001999, from the formula.
    let second = 0.9 - 0.1 * ((0.45 + 0.1) / 0.19) / ((0.024975 + 0.001) / 0.001999).squareRoot()
    #expect(abs(Double(values(optimizer, [5, 1])[1]) - second) < 1e-6)
    optimizer.decay = 0.5
    #expect(abs(values(optimizer, [5])[0] - (0.95 - 0.1)) < 1e-6)
  }

  @Test("Descent keeps a share of its momentum")
  func descent() {
    var optimizer = CoefficientOptimizer(count: 1, learningRate: 0.1)
    optimizer.rule = .descent(momentum: 0.9)
    let found = values(optimizer, [1, 1])
    #expect(abs(found[0] - 0.9) < 1e-6)
    #expect(abs(found[1] - (0.9 - 0.19)) < 1e-6)
  }
}
