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
    .of("opcm", ["null_space": .text("reference")], except: [.symmetry]),
    .of(
      "opcm",
      ["merged_count": .number(3), "merged_norm": .number(2), "merged_factor": .number(0.7)],
      except: [.symmetry, .zeroTaskVectors]),
    .of("resm"),
    .of("resm", ["outlier_threshold": .number(1.5), "sparsity_strength": .number(2)]),
    .of("dop", except: [.symmetry]),
    .of("dop", ["sides": .text("left"), "threshold": .number(0.9)], except: [.symmetry]),
    .of("dop", ["solver": .text("adam"), "steps": .number(3)], except: [.symmetry]),
    .of(
      "dop",
      [
        "solver": .text("adam"), "steps": .number(2), "mgda": .bool(false), "sides": .text("right"),
      ],
      except: [.symmetry]),
    .of("svc"),
    .of("svc", ["merged": .text("first"), "alpha": .number(1)], except: [.symmetry]),
    .of("cart"),
    .of("cart", ["rank_fraction": .number(1), "lambda": .number(1)]),
    .of("regmean"),
    .of(
      "regmean",
      ["reduce_non_diagonal_ratio": .number(1), "convolutions": .bool(true)]),
    .of("regmean_plus_plus"),
    .of("esm"),
    .of("esm_plus_plus"),
    .of("esm_plus_plus", ["expanded": .text("w"), "rank": .number(2)]),
    .of("esm", ["layer_balance": .bool(false), "eigenvalue_power": .number(0)]),
    .of("lot"),
    .of("lot", ["lambda": .number(1.5), "tolerance": .number(1e-3)]),
    .of("knots"),
    .of("knots", ["inner": .text("sum"), "lambda": .number(1)]),
    .of("smile"),
    .of("core_space"),
    .of("core_space", ["inner": .text("iso_c"), "alpha": .number(0.5)]),
    .of("core_space", ["inner": .text("cart")]),
    .of("core_space", ["inner": .text("ties"), "density": .number(1)]),
    .of("core_space", ["inner": .text("sum"), "weight": .number(0.3)]),
    .of("wudi"),
    .of("wudi", ["others": .text("base"), "init": .text("mean"), "iter_num": .number(20)]),
    .of("wudi", ["solver": .text("swudi"), "weight": .number(0.5)]),
    .of("wudi", ["solver": .text("aswudi"), "alpha": .number(0.4)]),
    .of("optmerge"),
    .of(
      "optmerge",
      ["targets": .text("truncated"), "init": .text("mean"), "optimizer": .text("sgd")]),
    .of("doge", ["steps": .number(60)]),
    .of("doge", ["others": .text("mean"), "density": .number(1), "steps": .number(5)]),
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
  func count() { #expect(Golden.spectral.count == 12) }

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

  @Test("TSV-M keeps a direction that two tasks nearly share")
  func nearlyShared() async throws {
    let algebra = try Backend.shared
    // Left vectors of both tasks together span a direction only by 1e-7.
    var left = try algebra.qr(noise(16, 15, seed: 60).converted(to: Double.self)).q
    left = .joined([left, left.columns(0..<1)], rows: 16)
    let tilt = noise(16, 1, seed: 61)
    for i in 0..<16 { left[i, 15] += 1e-7 * Double(tilt[i, 0]) }
    let tasks = try (0..<2).map { task in
      var part = left.columns(8 * task..<8 * task + 8)
      part.scaleColumns(by: (0..<8).map { 2 - 0.1 * Double($0) })
      let right = try algebra.qr(noise(24, 8, seed: 62 + task).converted(to: Double.self)).q
      return try algebra.multiply(part, right, transposing: .second).converted(to: Float.self)
    }
    var (us, values, vs): ([Matrix<Double>], [Double], [Matrix<Double>]) = ([], [], [])
    for task in tasks {
      let whole = try algebra.svd(task.converted(to: Double.self)).prefix(8)
      us.append(whole.u)
      values += whole.singularValues
      vs.append(whole.vt)
    }
    let joined = Matrix.joined(us, rows: 16)
    let least = try #require(try algebra.singularValues(joined).last)
    #expect(least > 1e-9 && least < 1e-6)
    var wanted = try algebra.polarBySVD(joined).factor
    wanted.scaleColumns(by: values)
    wanted = try algebra.multiply(
      wanted, algebra.polarBySVD(Matrix.stacked(vs, columns: 24)).factor)
    let got = try await merged("tsv_m", tasks)
    #expect(zip(got.array, wanted.array).allSatisfy { abs(Double($0) - $1) < 1e-5 })
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
}
