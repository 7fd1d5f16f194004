import Testing
import TinctureLinearAlgebra
import TinctureMergeMethods
import TinctureMerging
import TinctureTensors

@Suite("Core Space and RESM do what their formulas say", .needsBLAS)
struct CoreSpaceTests {
  /// Task vectors of rank 2.
  private func lowRank(_ rows: Int, _ columns: Int, count: Int) throws -> [Matrix<Float>] {
    try (0..<count).map { task in
      try Backend.shared.multiply(
        noise(rows, 2, seed: 400 + task), noise(2, columns, seed: 410 + task))
    }
  }

  private func distance(_ a: Matrix<Float>, _ b: Matrix<Float>) -> Double {
    var difference = a
    difference.add(b, times: -1)
    return difference.frobeniusNorm
  }

  @Test("The space holds all of the task vectors: sums come out whole")
  func lossless() async throws {
    let tasks = try lowRank(20, 30, count: 3)
    var sum = tasks[0]
    sum.add(tasks[1])
    sum.add(tasks[2])
    let added = try await merged("core_space", tasks, ["inner": .text("sum")])
    #expect(distance(added, sum) < 1e-5 * sum.frobeniusNorm)
    sum.scale(by: 1 / 3)
    let mean = try await merged("core_space", tasks, ["inner": .text("mean")])
    #expect(distance(mean, sum) < 1e-5 * sum.frobeniusNorm)
  }

  @Test("TSV-M and Iso-C do not depend on coordinates: the core's merge is that of whole matrices")
  func invariant() async throws {
    let tasks = try lowRank(20, 30, count: 3)
    // Six directions for three tasks leave each its two; of the whole matrix it is 6 of 20.
    let core = try await merged("core_space", tasks)
    let whole = try await merged("tsv_m", tasks)
    #expect(distance(core, whole) < 1e-4 * whole.frobeniusNorm)
    let flat = try await merged("core_space", tasks, ["inner": .text("iso_c")])
    var reference = try await merged("iso_c", tasks)
    // The mean is over the six singular values of the core, not over all twenty.
    reference.scale(by: 20.0 / 6)
    #expect(distance(flat, reference) < 1e-4 * reference.frobeniusNorm)
  }

  @Test("TIES with everything kept and one task is that task")
  func ties() async throws {
    let task = try lowRank(9, 12, count: 1)[0]
    let alone = try await merged(
      "core_space", [task], ["inner": .text("ties"), "density": .number(1)])
    #expect(distance(alone, task) < 1e-5 * task.frobeniusNorm)
    let trimmed = try await merged(
      "core_space", [task], ["inner": .text("ties"), "density": .number(0.5)])
    #expect(trimmed.frobeniusNorm < task.frobeniusNorm)
    let nothing = try await merged(
      "core_space", [task], ["inner": .text("ties"), "density": .number(0)])
    #expect(nothing.largestMagnitude == 0)
  }

  @Test(
    "DARE with everything kept is the mean, and what it drops is made up for",
    arguments: ["core_space", "knots"])
  func dare(method: String) async throws {
    let tasks = try lowRank(40, 30, count: 2)
    let mean = try await merged(method, tasks, ["inner": .text("mean")])
    let inner = method == "knots" ? "dare_ties" : "dare"
    let whole = try await merged(
      method, tasks, ["inner": .text(inner), "density": .number(1)])
    let half = ["inner": ParameterValue.text(inner), "density": .number(0.5)]
    let (one, again) = (
      try await merged(method, tasks, half), try await merged(method, tasks, half)
    )
    #expect(one == again)
    #expect(distance(one, whole) > 0.1 * whole.frobeniusNorm)
    if method == "core_space" {
      #expect(distance(whole, mean) < 1e-5 * mean.frobeniusNorm)
      let alone = try await merged(
        method, [tasks[0]], ["inner": .text("dare_ties"), "density": .number(1)])
      #expect(distance(alone, tasks[0]) < 1e-5 * tasks[0].frobeniusNorm)
    } else {
      let ties = try await merged(
        method, tasks, ["inner": .text("ties"), "density": .number(1)])
      #expect(distance(whole, ties) < 1e-5 * ties.frobeniusNorm)
    }
    let nothing = try await merged(
      method, tasks, ["inner": .text(inner), "density": .number(0)])
    #expect(nothing.largestMagnitude == 0)
  }

  @Test("A task vector of zero beside others changes nothing about the sum")
  func zero() async throws {
    let task = try lowRank(9, 12, count: 1)[0]
    let none = Matrix<Float>(rows: 9, columns: 12)
    for inner in ["sum", "iso_c", "ties", "cart", "tsv_m"] {
      let result = try await merged(
        "core_space", [task, none], ["inner": .text(inner), "density": .number(1)])
      #expect(result.frobeniusNorm.isFinite && result.largestMagnitude > 0, "\(inner)")
    }
    let empty = try await merged("core_space", [none, none])
    #expect(empty.largestMagnitude == 0)
  }

  // MARK: RESM

  @Test("RESM without its two strengths is TSV-M")
  func plain() async throws {
    let tasks = (0..<3).map { noise(18, 24, seed: 420 + $0) }
    let resm = try await merged(
      "resm", tasks, ["outlier_strength": .number(0), "sparsity_strength": .number(0)])
    let reference = try await merged("tsv_m", tasks)
    #expect(distance(resm, reference) == 0)
  }

  @Test("A task whose changes stand out counts more, and sparse changes keep fewer directions")
  func weights() async throws {
    let algebra = try Backend.shared
    var sharp = Matrix<Float>(rows: 16, columns: 16)
    sharp[0, 0] = 4
    sharp[1, 1] = 4
    let even = Matrix<Float>(
      rows: 16, columns: 16, noise(16, 16, seed: 430).array.map { $0 < 0 ? -0.5 : 0.5 })
    // All of the outliers' energy is the first task's, so that the second has no weight.
    let result = try await merged("resm", [sharp, even], ["sparsity_strength": .number(0)])
    var twice = sharp
    twice.scale(by: 2)
    #expect(distance(result, twice) < 1e-5)
    let sparse = try await merged(
      "resm", [sharp, sharp], ["outlier_strength": .number(0)])
    #expect(try algebra.singularValues(sparse).prefix { $0 > 1e-5 }.count == 1)
  }
}
