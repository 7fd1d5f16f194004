import Testing
import TinctureLinearAlgebra
import TinctureMergeMethods
import TinctureMergeTesting
import TinctureMerging
import TinctureTensors

@Suite("What methods keep on the disk until they merge", .needsBLAS)
struct KeptFindingsTests {
  @Test(
    "A merge has the same bytes with and without room for its findings",
    arguments: [
      ("opcm", [:]), ("knots", ["inner": .text("ties"), "density": .number(0.4)]),
    ] as [(String, [String: ParameterValue])])
  func sameBytes(name: String, values: [String: ParameterValue]) async throws {
    let method = try #require(MethodRegistry.method(named: name))
    let extents = [(12, 20), (20, 12), (16, 16), (1, 9)]
    func model(_ seed: Int) -> TinyModel {
      TinyModel(
        extents.enumerated().map { index, extents in
          TinyModel.Tensor(
            "w\(index)", shape: Shape(rows: extents.0, columns: extents.1),
            noise(extents.0, extents.1, seed: seed + index).array)
        })
    }
    var trial = MergeTrial(
      method, base: model(300), models: [310, 320, 330].map(model),
      parameters: try ResolvedParameters(for: method.info, values, modelCount: 3))
    let kept = try await trial.run().bytes
    trial.keepsFindings = false
    #expect(try await trial.run().bytes == kept)
    trial.engine = MergeEngine(workers: 2, memoryLimit: 1 << 30)
    #expect(try await trial.run().bytes == kept)
  }
}
