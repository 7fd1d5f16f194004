import Testing
import TinctureLinearAlgebra
import TinctureMergeMethods
import TinctureMergeTesting
import TinctureMerging
import TinctureTensors

extension Trait where Self == ConditionTrait {
  /// Skips a test where no BLAS is installed, and says how to install one.
  static var needsBLAS: Self {
    .enabled(
      if: Backend.isAvailable,
      "No BLAS was found: Scripts/install_engines installs OpenBLAS, or set TINCTURE_BLAS=PATH.")
  }
}

/// A matrix with uniform elements in [−1, 1), a function of the seed.
func noise(_ rows: Int, _ columns: Int, seed: Int) -> Matrix<Float> {
  let random = CounterRandom(seed: UInt64(seed), tensor: "w", purpose: "spectral test")
  return Matrix(
    rows: rows, columns: columns,
    (0..<rows * columns).map { Float(2 * random.uniform(at: $0) - 1) })
}

/// The merged task vector of a base of zeros.
func merged(
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
