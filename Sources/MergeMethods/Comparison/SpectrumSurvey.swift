internal import TinctureLinearAlgebra
public import TinctureMerging
public import TinctureTensors

/// Finds the singular values of a model's matrices; merges nothing.
///
/// The filters of a convolution [outputs, channels, height, width] are the matrix of outputs by all else. For plans that are surveyed: `MergeEngine.survey(_:interruption:observer:_:)` with `find(_:)`. Singular values
/// are computed in double precision (gesdd without vectors). Cost: O(m n min(m, n)) for each matrix.
public struct SpectrumSurvey: MergeMethod {
  /// The description.
  public let info = MethodInfo(
    name: "spectra", title: "Spectra", summary: "Finds the singular values of a model's matrices.",
    formula: "A = U diag(σ) Vᵀ", source: "this library", base: .none, models: 1...1,
    streaming: .tensor)

  /// What was found about a tensor.
  public struct Finding: Sendable, Hashable {
    /// The name.
    public let name: String
    /// The singular values; nil for what is no matrix, and where an element is not finite.
    public let spectrum: SpectrumSummary?
  }

  /// Creates the survey.
  public init() {}

  /// Needs BLAS and LAPACK.
  public func requireFacilities() throws(TinctureError) { _ = try Backend.shared }

  /// The matrix, and what the library needs.
  public func workingMemory(_ parameters: ResolvedParameters, _ scope: WorkingScope)
    -> WorkingMemory
  {
    guard let (rows, columns) = scope.shape.matrixExtents else { return WorkingMemory() }
    let memory = FactorizationMemory(rows: rows, columns: columns, precision: .double)
    return WorkingMemory(bytes: 8 * rows * columns + memory.svd)
  }

  /// Nothing is merged.
  public func merge(_ inputs: MergeInputs, state: Void) throws(TinctureError) {
    throw TinctureError(.internalError, "Spectra are surveyed, not merged.")
  }

  /// Looks at a tensor.
  ///
  /// - Parameter inputs: The tensor.
  /// - Returns: What was found.
  /// - Throws: `io` when reading fails, or an error of the library.
  public static func find(_ inputs: MergeInputs) throws(TinctureError) -> Finding {
    let name = inputs.step.name
    guard let (rows, columns) = inputs.step.shape.matrixExtents, inputs.elementCount > 0 else {
      return Finding(name: name, spectrum: nil)
    }
    var matrix = Matrix<Double>(rows: rows, columns: columns)
    try inputs.scan(.values) { (block) throws(TinctureError) in
      matrix.add(block[model: 0], times: 1, at: block.start)
    }
    guard matrix.frobeniusNorm.isFinite else { return Finding(name: name, spectrum: nil) }
    let values = try Backend.shared.singularValues(matrix)
    return Finding(
      name: name, spectrum: SpectrumSummary(values, count: matrix.smallerExtent))
  }
}

extension Shape {
  /// The rows and columns of a matrix, or of filters of a convolution as one; nil for anything else.
  var matrixExtents: (rows: Int, columns: Int)? {
    guard rank == 2 || rank == 4 else { return nil }
    return (extents[0], extents.dropFirst().reduce(1, *))
  }
}
