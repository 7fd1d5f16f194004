import Testing
import TinctureLinearAlgebra
import TinctureMerging

@Suite("Precision of merges by singular values", .needsBLAS)
struct SpectralPrecisionTests {
  /// How far merges of large matrices in single precision may be from those in double precision.
  ///
  /// Directions of close singular values, which OPCM looks at one by one, single precision hardly tells apart.
  static let limits = [("iso_c", 2e-5), ("iso_cts", 2e-4), ("tsv_m", 2e-4), ("opcm", 2e-2)]

  @Test(
    "Large matrices are merged in single precision, close to double precision", arguments: limits,
    [(256, 320), (320, 256), (256, 256), (260, 900)])
  func agreement(method: (name: String, limit: Double), extents: (Int, Int)) async throws {
    let tasks = Self.tasks(extents.0, extents.1)
    let single = try await merged(method.name, tasks, ["precision": .text("single")])
    let double = try await merged(method.name, tasks, ["precision": .text("double")])
    let distance = Self.distance(single, double)
    #expect(distance <= method.limit)
    // It is another way, and the default.
    #expect(distance > 0)
    #expect(try await merged(method.name, tasks) == single)
  }

  @Test("The tolerance counts in both precisions", arguments: [(300, 280), (260, 900), (900, 260)])
  func tolerance(extents: (Int, Int)) async throws {
    let tasks = Self.tasks(extents.0, extents.1)
    let settings: [String: ParameterValue] = ["tolerance": .number(0.45)]
    let single = try await merged("iso_c", tasks, settings)
    let double = try await merged(
      "iso_c", tasks, settings.merging(["precision": .text("double")]) { $1 })
    #expect(Self.distance(single, double) <= 1e-4)
    // Some directions are left out.
    #expect(Self.distance(single, try await merged("iso_c", tasks)) > 0.01)
  }

  @Test("Smaller matrices are always merged in double precision", arguments: limits)
  func small(method: (name: String, limit: Double)) async throws {
    let tasks = Self.tasks(255, 300)
    let single = try await merged(method.name, tasks, ["precision": .text("single")])
    #expect(single == (try await merged(method.name, tasks, ["precision": .text("double")])))
  }

  @Test("Directions that large task vectors do not have stay zero", arguments: limits)
  func deficient(method: (name: String, limit: Double)) async throws {
    // Rows that no model changed are no direction.
    let tasks = (0..<3).map { model in
      Matrix<Float>.stacked(
        [noise(150, 280, seed: model), Matrix(rows: 150, columns: 280)], columns: 280)
    }
    for precision in ["single", "double"] {
      let change = try await merged(method.name, tasks, ["precision": .text(precision)])
      #expect(change.rows(150..<300).largestMagnitude < 1e-5 * change.largestMagnitude)
      #expect(change.largestMagnitude > 0)
    }
  }

  @Test("Task vectors of low rank are merged as in double precision", arguments: limits)
  func lowRank(method: (name: String, limit: Double)) async throws {
    let algebra = try Backend.shared
    let tasks = try (0..<3).map { model in
      try algebra.multiply(noise(300, 20, seed: model), noise(20, 260, seed: 9 + model))
    }
    let single = try await merged(method.name, tasks, ["precision": .text("single")])
    let double = try await merged(method.name, tasks, ["precision": .text("double")])
    #expect(Self.distance(single, double) <= method.limit)
  }

  /// Three task vectors that share a part.
  private static func tasks(_ rows: Int, _ columns: Int) -> [Matrix<Float>] {
    (0..<3).map { model in
      var task = noise(rows, columns, seed: model)
      task.add(noise(rows, columns, seed: 7), times: 0.6)
      return task
    }
  }

  /// ‖A − B‖ / ‖B‖.
  private static func distance(_ a: Matrix<Float>, _ b: Matrix<Float>) -> Double {
    var difference = a
    difference.add(b, times: -1)
    return difference.frobeniusNorm / b.frobeniusNorm
  }
}
