import Testing
import TinctureLinearAlgebra
import TinctureMergeMethods
import TinctureMergeTesting
import TinctureMerging
import TinctureTensors

extension ConformanceCase {
  /// Settings of methods that need BLAS.
  static let spectral: [ConformanceCase] = [
    .of("iso_c"),
    .of("iso_c", ["null_space": .text("reference"), "alpha": .number(1.5)]),
    .of("iso_c", ["spectral": .bool(false)]),
    .of("iso_cts"),
    .of("iso_cts", ["common_space_fraction": .number(0.3), "weight": .number(0.5)]),
    .of("tsv_m"),
    .of("tsv_m", ["weight": .number(0.5)]),
    // The order of the models matters.
    .of("opcm", except: [.symmetry]),
    .of("opcm", ["threshold": .number(1)], except: [.symmetry]),
    .of("svc"),
    .of("svc", ["merged": .text("first"), "alpha": .number(1)], except: [.symmetry]),
    .of("cart"),
    .of("cart", ["rank_fraction": .number(1), "lambda": .number(1)]),
    .of("knots"),
    .of("knots", ["inner": .text("sum"), "lambda": .number(1)]),
  ]
}

@Suite("Merges by singular values", .needsBLAS)
struct SpectralTests {
  @Test("Every method keeps the promises of the library", arguments: ConformanceCase.spectral)
  func keepsPromises(setting: ConformanceCase) async throws {
    let method = try #require(MethodRegistry.method(named: setting.name))
    let conformance = try MethodConformance(method, values: setting.values, except: setting.except)
    let violations = try await conformance.violations()
    #expect(violations.isEmpty)
  }

  @Test(
    "Outputs agree with the recorded ones, with arbitrary vectors for what is zero, too",
    arguments: Golden.spectral, ["drop", "reference"])
  func agrees(golden: Golden, nullSpace: String) async throws {
    let parameters = try #require(MethodRegistry.method(named: golden.method)).info.parameters
    guard nullSpace == "drop" || parameters.contains(where: { $0.name == "null_space" }) else {
      return
    }
    let changes = nullSpace == "drop" ? [:] : ["null_space": ParameterValue.text(nullSpace)]
    var output = try await golden.trial(golden.sources(), changing: changes).run().model
    // KnOTS was recorded for matrices only.
    let recorded = Set(try golden.read(golden.expected).tensors.map(\.name))
    output = TinyModel(output.tensors.filter { recorded.contains($0.name) })
    #expect(try golden.differences(of: output).isEmpty)
  }

  @Test("The recorded cases are all there")
  func count() { #expect(Golden.spectral.count == 8) }

  // MARK: What the formulas say

  @Test(
    "All singular values of an isotropic task vector are equal",
    arguments: ["iso_c", "iso_cts"], [(24, 40), (40, 24), (1, 30), (30, 1), (16, 16)])
  func isFlat(method: String, extents: (Int, Int)) async throws {
    let (rows, columns) = extents
    let tasks = (0..<3).map { noise(rows, columns, seed: 10 + $0) }
    let spectrum = try Backend.shared.singularValues(try await merged(method, tasks))
    let first = try #require(spectrum.first)
    #expect(spectrum.allSatisfy { ($0 - first).magnitude < 1e-4 * first })
  }

  @Test("Copies of one model give its nuclear norm times their number")
  func copies() async throws {
    let task = noise(20, 30, seed: 3)
    let mean =
      try Backend.shared.singularValues(task).reduce(0) { $0 + Double($1) } / 20
    for method in ["iso_c", "iso_cts"] {
      let spectrum = try Backend.shared.singularValues(
        try await merged(method, [task, task], ["common_space_fraction": .number(1)]))
      #expect((Double(spectrum[0]) - 2 * mean).magnitude < 1e-4 * mean, "\(method)")
    }
  }

  @Test("One model alone keeps its task vector under TSV-M")
  func alone() async throws {
    let task = noise(12, 9, seed: 4)
    let result = try await merged("tsv_m", [task])
    #expect(zip(result.array, task.array).allSatisfy { ($0 - $1).magnitude < 1e-6 })
  }

  @Test("TSV-M of orthogonal tasks is their sum")
  func orthogonal() async throws {
    // Each task has the rank 4 = 12 / 3, and columns and rows of its own.
    var tasks: [Matrix<Float>] = []
    for task in 0..<3 {
      var matrix = Matrix<Float>(rows: 12, columns: 18)
      let part = noise(4, 6, seed: 20 + task)
      for i in 0..<4 { for j in 0..<6 { matrix[4 * task + i, 6 * task + j] = part[i, j] } }
      tasks.append(matrix)
    }
    let result = try await merged("tsv_m", tasks)
    let sum = zip(zip(tasks[0].array, tasks[1].array), tasks[2].array).map { $0.0 + $0.1 + $1 }
    #expect(zip(result.array, sum).allSatisfy { ($0 - $1).magnitude < 1e-5 })
  }

  @Test(
    "Directions that no task determines stay zero, or get what the published code gives them",
    arguments: ["iso_c", "iso_cts", "tsv_m"])
  func rankDeficient(method: String) async throws {
    let algebra = try Backend.shared
    // Task vectors of rank 2 within the same 5 left and 6 right directions.
    let left = noise(24, 5, seed: 5)
    let right = noise(6, 32, seed: 6)
    let tasks = try (0..<2).map { task in
      let core = try algebra.multiply(
        noise(5, 2, seed: 30 + task), noise(2, 6, seed: 40 + task))
      return try algebra.multiply(algebra.multiply(left, core), right)
    }
    let dropped = try await merged(method, tasks)
    let rank = try algebra.singularValues(dropped).prefix { $0 > 1e-4 }.count
    #expect(rank <= 4)
    #expect(dropped.largestMagnitude > 0)
    guard method == "iso_c" else { return }
    let completed = try await merged(method, tasks, ["null_space": .text("reference")])
    let spectrum = try algebra.singularValues(completed)
    #expect(spectrum.allSatisfy { ($0 - spectrum[0]).magnitude < 1e-3 * spectrum[0] })
  }

  @Test("More models than singular values leave the base under TSV-M")
  func manyModels() async throws {
    let result = try await merged("tsv_m", (0..<5).map { noise(3, 40, seed: 50 + $0) })
    #expect(result.largestMagnitude == 0)
    let flat = try await merged("iso_cts", (0..<5).map { noise(3, 40, seed: 50 + $0) })
    #expect(flat.largestMagnitude > 0)
  }

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

  // MARK: Helpers

  private func noise(_ rows: Int, _ columns: Int, seed: Int) -> Matrix<Float> {
    let random = CounterRandom(seed: UInt64(seed), tensor: "w", purpose: "spectral test")
    return Matrix(
      rows: rows, columns: columns,
      (0..<rows * columns).map { Float(2 * random.uniform(at: $0) - 1) })
  }

  /// The merged task vector of a base of zeros.
  private func merged(
    _ name: String, _ tasks: [Matrix<Float>], _ values: [String: ParameterValue] = [:]
  ) async throws -> Matrix<Float> {
    let method = try #require(MethodRegistry.method(named: name))
    let (rows, columns) = (tasks[0].rows, tasks[0].columns)
    let shape = Shape(rows: rows, columns: columns)
    func model(_ values: [Float]) -> TinyModel { TinyModel([.init("w", shape: shape, values)]) }
    let known = values.filter { value in method.info.parameters.contains { $0.name == value.key } }
    let base = method.info.base == .none ? nil : [Float](repeating: 0, count: rows * columns)
    let trial = MergeTrial(
      method, base: base.map(model),
      models: tasks.map { model($0.array) },
      parameters: try ResolvedParameters(for: method.info, known, modelCount: tasks.count))
    let output = try #require(try await trial.run().model["w"])
    return Matrix(rows: rows, columns: columns, output)
  }
}

extension Trait where Self == ConditionTrait {
  /// Skips a test where no BLAS is installed, and says how to install one.
  static var needsBLAS: Self {
    .enabled(
      if: Backend.isAvailable,
      "No BLAS was found: Scripts/install_engines installs OpenBLAS, or set TINCTURE_BLAS=PATH.")
  }
}
