import Testing
import TinctureLinearAlgebra
import TinctureMerging
import TinctureTensors

@Suite("OPCM, calibration, CART and KnOTS do what their formulas say", .needsBLAS)
struct SpectralPropertyTests {
  @Test("The merged task vector of OPCM has the mean norm of the task vectors")
  func norms() async throws {
    let tasks = (0..<3).map { noise(18, 25, seed: 60 + $0) }
    let mean = tasks.reduce(0) { $0 + $1.frobeniusNorm } / 3
    let result = try await merged("opcm", tasks)
    #expect((result.frobeniusNorm - mean).magnitude < 1e-5 * mean)
    let alone = try await merged("opcm", [tasks[0]])
    #expect(zip(alone.array, tasks[0].array).allSatisfy { ($0 - $1).magnitude < 1e-6 })
  }

  @Test("OPCM keeps a repeated task out, as nothing is left of it")
  func repeated() async throws {
    let task = noise(10, 14, seed: 70)
    let result = try await merged("opcm", [task, task])
    #expect(zip(result.array, task.array).allSatisfy { ($0 - $1).magnitude < 1e-5 })
  }

  @Test("OPCM takes long matrices like their transposes, whose columns it need not meet in parts")
  func transposed() async throws {
    let tasks = (0..<3).map { noise(12, 2100, seed: 75 + $0) }
    let long = try await merged("opcm", tasks)
    let tall = try await merged("opcm", tasks.map { $0.transposed() })
    let scale = long.largestMagnitude
    #expect(scale > 0)
    #expect(
      zip(long.array, tall.transposed().array).allSatisfy { ($0 - $1).magnitude < 1e-5 * scale })
  }

  @Test("OPCM protects the directions before the one that crosses the threshold")
  func protected() async throws {
    // U and V are the axes: the new task is 1 everywhere.
    let values: [Float] = [5, 3, 2]
    let first = Matrix<Float>.diagonal(values)
    let ones = Matrix<Float>(rows: 3, columns: 3, [Float](repeating: 1, count: 9))
    // 5 + 3 of 10 cross 0.6 at the index 1, so that one direction is protected: its own diagonal only.
    for (threshold, free) in [(0.6, 6), (0.85, 4), (0.4, 6)] {
      let result = try await merged("opcm", [first, ones], ["threshold": .number(threshold)])
      let off = result.array.enumerated().filter { $0.offset % 4 != 0 && $0.element > 0.1 }
      #expect(off.count == free, "threshold \(threshold)")
    }
  }

  @Test("Calibration leaves one task as it is, and never grows with α = 1")
  func calibration() async throws {
    let task = noise(9, 16, seed: 80)
    let alone = try await merged("svc", [task], ["lambda": .number(1)])
    #expect(zip(alone.array, task.array).allSatisfy { ($0 - $1).magnitude < 1e-5 })
    // Twice the same task at full scale is divided by the two that agree.
    let twice = try await merged(
      "svc", [task, task], ["lambda": .number(1), "alpha": .number(1)])
    #expect(zip(twice.array, task.array).allSatisfy { ($0 - $1).magnitude < 1e-5 })
    // Calibrating a model that task arithmetic merged is the same as doing both at once.
    let other = noise(9, 16, seed: 81)
    let both = try await merged("svc", [task, other], ["lambda": .number(0.5)])
    var given = task
    given.add(other)
    given.scale(by: 0.5)
    let after = try await merged("svc", [given, task, other], ["merged": .text("first")])
    #expect(zip(after.array, both.array).allSatisfy { ($0 - $1).magnitude < 1e-5 })
  }

  @Test("CART of full rank with λ = 1 is the mean, and of rank 1 has rank T")
  func centred() async throws {
    let tasks = (0..<3).map { noise(20, 12, seed: 90 + $0) }
    var mean = tasks[0]
    mean.add(tasks[1])
    mean.add(tasks[2])
    mean.scale(by: 1 / 3)
    let full = try await merged("cart", tasks, ["rank_fraction": .number(1)])
    #expect(zip(full.array, mean.array).allSatisfy { ($0 - $1).magnitude < 1e-5 })
    var low = try await merged("cart", tasks, ["rank_fraction": .number(0.01)])
    low.add(mean, times: -1)
    let spectrum = try Backend.shared.singularValues(low)
    #expect(spectrum.prefix { $0 > 1e-4 }.count == 3)
  }

  @Test("KnOTS with sums is task arithmetic, and with ties drops what is small in the whole model")
  func coordinates() async throws {
    let tasks = (0..<3).map { noise(14, 10, seed: 100 + $0) }
    var sum = tasks[0]
    sum.add(tasks[1])
    sum.add(tasks[2])
    let added = try await merged(
      "knots", tasks, ["inner": .text("sum"), "lambda": .number(1)])
    #expect(zip(added.array, sum.array).allSatisfy { ($0 - $1).magnitude < 1e-5 })
    let alone = try await merged(
      "knots", [tasks[0]], ["density": .number(1), "lambda": .number(1)])
    #expect(zip(alone.array, tasks[0].array).allSatisfy { ($0 - $1).magnitude < 1e-5 })
    let trimmed = try await merged(
      "knots", [tasks[0]], ["density": .number(0.2), "lambda": .number(1)])
    #expect(trimmed.frobeniusNorm < 0.95 * tasks[0].frobeniusNorm)
    #expect(trimmed.frobeniusNorm > 0.3 * tasks[0].frobeniusNorm)
  }
}
