import Testing
import TinctureLinearAlgebra
import TinctureMergeMethods
import TinctureMergeTesting
import TinctureMerging
import TinctureTensors

@Suite("ESM++", .needsBLAS)
struct EsmPlusPlusTests {
  /// The statistics of ESM's tests with the mean of each task's inputs.
  private static func statistics(_ columns: Int) throws -> [TinyModel] {
    try EsmTests.statistics(columns).enumerated().map { seed, model in
      TinyModel(
        model.tensors + [
          .init(
            "blocks.0.w.weight.mean", shape: Shape(vector: columns),
            EsmTests.values(seed + 50, 1, columns))
        ])
    }
  }

  private static func merge(
    _ models: [TinyModel], _ statistics: [TinyModel], rank: Int, _ name: String = "esm_plus_plus"
  ) async throws -> TinyModel {
    let method = try #require(MethodRegistry.method(named: name))
    var values: [String: ParameterValue] = ["alpha": .number(0.5)]
    if name == "esm_plus_plus" {
      values["expanded"] = .text("w.weight")
      values["rank"] = .number(Double(rank))
    }
    var trial = MergeTrial(
      method, base: models[0].mapValues { _, _, _ in 0 }, models: models,
      parameters: try ResolvedParameters(for: method.info, values, modelCount: models.count))
    trial.statistics = statistics
    return try await trial.run().model
  }

  @Test("Experts of full rank give each model back, and the merge is ESM's")
  func fullRank() async throws {
    let (models, statistics) = (EsmTests.models(4, 6), try Self.statistics(6))
    let merged = try await Self.merge(models, statistics, rank: 4)
    let plain = try await Self.merge(models, statistics, rank: 4, "esm")
    let own = try #require(merged["blocks.0.w.weight"])
    #expect(own == plain["blocks.0.w.weight"])
    for (index, model) in models.enumerated() {
      let up = try #require(merged["blocks.0.w.experts.\(index).u"])
      let down = try #require(merged["blocks.0.w.experts.\(index).svh"])
      let wanted = try #require(model["blocks.0.w.weight"])
      for i in 0..<4 {
        for j in 0..<6 {
          let change = (0..<4).reduce(Float(0)) { $0 + up[i * 4 + $1] * down[$1 * 6 + j] }
          #expect(abs(own[i * 6 + j] + change - wanted[i * 6 + j]) < 1e-5)
        }
      }
    }
    let prototypes = try #require(merged["blocks.0.w.gate.prototypes"])
    #expect(prototypes == EsmTests.values(50, 1, 6) + EsmTests.values(51, 1, 6))
    #expect(merged["bias"] == plain["bias"])
  }

  @Test("Few directions keep most of what the outputs are on the examples")
  func lowRank() async throws {
    let (models, statistics) = (EsmTests.models(4, 6), try Self.statistics(6))
    let merged = try await Self.merge(models, statistics, rank: 2)
    let algebra = try Backend.shared
    for (index, model) in models.enumerated() {
      let gram = Matrix(
        rows: 6, columns: 6, try #require(statistics[index]["blocks.0.w.weight"]).map(Double.init))
      func matrix(_ values: [Float]?, _ rows: Int, _ columns: Int) throws -> Matrix<Double> {
        Matrix(rows: rows, columns: columns, try #require(values).map(Double.init))
      }
      var lacking = try matrix(model["blocks.0.w.weight"], 4, 6)
      lacking.add(try matrix(merged["blocks.0.w.weight"], 4, 6), times: -1)
      let expert = try algebra.multiply(
        matrix(merged["blocks.0.w.experts.\(index).u"], 4, 2),
        matrix(merged["blocks.0.w.experts.\(index).svh"], 2, 6))
      func energy(_ change: Matrix<Double>) throws -> Double {
        let outputs = try algebra.multiply(
          algebra.multiply(change, gram), change, transposing: .second)
        return (0..<4).reduce(0) { $0 + outputs[$1, $1] }
      }
      var rest = lacking
      rest.add(expert, times: -1)
      let outputs = try algebra.multiply(
        algebra.multiply(lacking, gram), lacking, transposing: .second)
      let eigen = try algebra.eigh(outputs)
      // What is lost is the sum of the eigenvalues that are left out.
      #expect(
        abs(try energy(rest) - eigen.values[2] - eigen.values[3]) < 1e-4 * (try energy(lacking)))
    }
  }

  @Test("A layer without its mean input is named, with what to do")
  func refusal() async throws {
    do {
      _ = try await Self.merge(EsmTests.models(4, 6), EsmTests.statistics(6), rank: 2)
      Issue.record("Nothing was thrown.")
    } catch {
      #expect("\(error)".contains("no mean input [6]") && "\(error)".contains("expanded"))
    }
  }
}
