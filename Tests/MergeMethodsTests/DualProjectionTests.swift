import Testing
import TinctureLinearAlgebra
import TinctureMergeMethods
import TinctureMerging
import TinctureTensors

@Suite("DOP is the nearest matrix in the directions of both", .needsBLAS)
struct DualProjectionTests {
  /// What the share `threshold` of the singular values leaves of a matrix.
  private func used(_ task: Matrix<Float>, _ count: Int? = nil) throws -> SVD<Double> {
    let svd = try Backend.shared.svd(task.converted(to: Double.self))
    return svd.prefix(count ?? svd.rank)
  }

  /// Σ cᵢ (Aᵢ (X − τᵢ) + (X − τᵢ) Bᵢ), which is zero at the minimum.
  private func slope(
    at point: Matrix<Float>, _ tasks: [Matrix<Float>], _ weights: [Double], left: Bool = true,
    right: Bool = true
  ) throws -> Matrix<Double> {
    let algebra = try Backend.shared
    var sum = Matrix<Double>(rows: point.rows, columns: point.columns)
    for (task, weight) in zip(tasks, weights) {
      let wide = task.converted(to: Double.self)
      var distance = point.converted(to: Double.self)
      distance.add(wide, times: -1)
      if left {
        try algebra.multiply(
          algebra.gram(wide, of: .rows), distance, scale: weight, into: &sum)
      }
      if right {
        try algebra.multiply(
          distance, algebra.gram(wide, of: .columns), scale: weight, into: &sum)
      }
    }
    return sum
  }

  @Test(
    "The gradient is zero at the closed form",
    arguments: [(9, 9), (6, 20), (20, 6), (1, 7)], ["both", "left", "right"])
  func minimum(extents: (Int, Int), sides: String) async throws {
    let tasks = (0..<2).map { noise(extents.0, extents.1, seed: 300 + $0) }
    let result = try await merged(
      "dop", tasks,
      ["sides": .text(sides), "threshold": .number(1), "alpha": .number(0.7)])
    let slope = try slope(
      at: result, tasks, [0.7, 0.3], left: sides != "right", right: sides != "left")
    let start = try self.slope(
      at: Matrix(rows: extents.0, columns: extents.1), tasks, [0.7, 0.3], left: sides != "right",
      right: sides != "left")
    #expect(slope.frobeniusNorm < 1e-5 * start.frobeniusNorm)
  }

  @Test("Tasks in directions of their own are both kept whole")
  func orthogonal() async throws {
    var first = Matrix<Float>(rows: 8, columns: 10)
    var second = first
    let parts = (noise(4, 5, seed: 310), noise(4, 5, seed: 311))
    for i in 0..<4 {
      for j in 0..<5 {
        first[i, j] = parts.0[i, j]
        second[4 + i, 5 + j] = parts.1[i, j]
      }
    }
    let result = try await merged("dop", [first, second])
    first.add(second)
    #expect(zip(result.array, first.array).allSatisfy { ($0 - $1).magnitude < 1e-5 })
  }

  @Test(
    "One model alone, and one that repeats, stay as they are", arguments: ["closed_form", "adam"])
  func alone(solver: String) async throws {
    let task = noise(7, 11, seed: 320)
    let settings: [String: ParameterValue] = ["solver": .text(solver), "steps": .number(5)]
    for tasks in [[task], [task, task]] {
      let result = try await merged("dop", tasks, settings)
      #expect(zip(result.array, task.array).allSatisfy { ($0 - $1).magnitude < 1e-5 })
    }
  }

  @Test("Where no model uses a direction the mean of both stays")
  func rest() async throws {
    let algebra = try Backend.shared
    // Two singular values each, of which the threshold leaves the larger one.
    let columns = [[Float]]([[3, 0, 0, 0], [0, 0.5, 0, 0]])
    var first = Matrix<Float>(rows: 4, columns: 4)
    var second = first
    first[0, 0] = columns[0][0]
    first[1, 1] = columns[1][1]
    second[2, 2] = 3
    second[3, 3] = 0.5
    let result = try await merged("dop", [first, second], ["threshold": .number(0.8)])
    #expect((result[0, 0] - 3).magnitude < 1e-5 && (result[2, 2] - 3).magnitude < 1e-5)
    #expect((result[1, 1] - 0.25).magnitude < 1e-5 && (result[3, 3] - 0.25).magnitude < 1e-5)
    #expect(try algebra.singularValues(result).count == 4)
  }

  @Test("The crossing singular value counts unless it is dropped as published")
  func crossing() async throws {
    let left = noise(5, 1, seed: 330)
    let task = try Backend.shared.multiply(left, noise(1, 6, seed: 331))
    let other = noise(5, 6, seed: 332)
    // Without its one direction the first model has no say, and only the second's loss counts.
    let dropped = try await merged(
      "dop", [task, other], ["crossing": .text("dropped"), "threshold": .number(1)])
    let kept = try await merged("dop", [task, other], ["threshold": .number(1)])
    var distance = kept
    distance.add(dropped, times: -1)
    #expect(distance.frobeniusNorm > 0.01)
  }

  @Test("Steps of Adam lower both losses together, and none leave the mean")
  func descent() async throws {
    let tasks = (0..<2).map { noise(10, 14, seed: 340 + $0) }
    var mean = tasks[0]
    mean.add(tasks[1])
    mean.scale(by: 0.5)
    let settings: [String: ParameterValue] = [
      "solver": .text("adam"), "mgda": .bool(false), "learning_rate": .number(0.01),
      "threshold": .number(1),
    ]
    let none = try await merged("dop", tasks, settings.merging(["steps": .number(0)]) { $1 })
    #expect(zip(none.array, mean.array).allSatisfy { ($0 - $1).magnitude < 1e-6 })
    func loss(_ point: Matrix<Float>) throws -> Double {
      let algebra = try Backend.shared
      var sum = 0.0
      for (task, weight) in zip(tasks, [0.8, 0.2]) {
        let wide = task.converted(to: Double.self)
        var distance = point.converted(to: Double.self)
        distance.add(wide, times: -1)
        let left = try algebra.multiply(wide, distance, transposing: .first).frobeniusNorm
        let right = try algebra.multiply(distance, wide, transposing: .second).frobeniusNorm
        sum += weight * (left * left + right * right)
      }
      return sum
    }
    let few = try await merged("dop", tasks, settings.merging(["steps": .number(20)]) { $1 })
    let many = try await merged("dop", tasks, settings.merging(["steps": .number(2000)]) { $1 })
    let best = try await merged("dop", tasks, ["threshold": .number(1)])
    #expect(try loss(few) < loss(mean))
    #expect(try loss(many) < loss(few))
    #expect(try loss(many) < 1.01 * loss(best))
    #expect(try loss(best) <= loss(many) * 1.000_01)
  }
}
