internal import TinctureLinearAlgebra
public import TinctureMerging
public import TinctureTensors

/// Compares the task vectors of models of one base; merges nothing.
///
/// For plans that are surveyed: `MergeEngine.survey(_:interruption:observer:_:)` with `find(_:)`. For each tensor it finds norms, inner
/// products ⟨τₐ, τ_b⟩ and how many elements have the same sign. With `spectra`, for each matrix (filters of convolutions are outputs by all else), also the singular
/// values of the task vectors, above 1e-6 of the largest, and how much of their first r singular directions two
/// tasks share, (‖Uₐᵀ U_b‖² + ‖Vₐᵀ V_b‖²) / 2r: 1 for the same directions, r / 2m + r / 2n by chance; r is `rank`, or the rank of
/// the task vectors where that is less. How much of one task vector lies in the span of another's left directions is
/// the subspace alignment ratio of Marczak et al., arXiv:2502.04959, with ε = 0.05.
/// Cost: one pass, and for each matrix one decomposition O(m n min(m, n)) for each model and a product for each pair. Figures do not depend on the number of workers.
public struct ModelComparison: MergeMethod {
  static let spectra = Parameter<Bool>(
    "spectra", default: true, "Whether singular values are found.")
  static let rank = Parameter<Int>(
    "rank", default: 16, in: .between(1, 65_536),
    "How many singular directions are compared.")

  /// The description.
  public let info = MethodInfo(
    name: "diff", title: "Comparison", summary: "Compares the task vectors of models of one base.",
    formula: "⟨τₐ, τ_b⟩;  σ(τₐ);  ‖Uₐᵀ U_b‖² / r", source: "this library", base: .required,
    models: 1...Int.max, streaming: .tensor, parameters: [spectra, rank])

  private let needsAlgebra: Bool

  /// Creates the comparison.
  ///
  /// - Parameter findsSpectra: Whether singular values will be asked for.
  public init(findsSpectra: Bool = true) { needsAlgebra = findsSpectra }

  /// Needs BLAS and LAPACK for singular values.
  public func requireFacilities() throws(TinctureError) {
    guard needsAlgebra else { return }
    _ = try Backend.shared
  }

  /// A task vector, its factors, and the leading directions of all.
  public func workingMemory(_ parameters: ResolvedParameters, _ scope: WorkingScope)
    -> WorkingMemory
  {
    let words = 16 * scope.modelCount * (scope.elementCount / 64 + 1)
    let bits = min(words, 1 << 20)
    guard let (rows, columns) = scope.shape.matrixExtents, parameters[Self.spectra] else {
      return WorkingMemory(bytes: bits)
    }
    let short = min(rows, columns)
    let kept = scope.modelCount * (min(short, parameters[Self.rank]) + short)
    let memory = FactorizationMemory(rows: rows, columns: columns, precision: .double)
    return WorkingMemory(
      bytes: bits + memory.svdByGram
        + 8 * (rows * columns + (rows + columns) * (2 * short + kept)))
  }

  /// Nothing is merged.
  public func merge(_ inputs: MergeInputs, state: Void) throws(TinctureError) {
    throw TinctureError(.internalError, "Models are compared here, not merged.")
  }

  /// Looks at a tensor.
  ///
  /// - Parameters:
  ///   - inputs: The tensor in the base and in all models.
  ///   - thresholds: Magnitudes; elements up to each of them are counted.
  /// - Returns: What was found.
  /// - Throws: `io` when reading fails, `checkpoint` for an element that is not finite, or an error of the
  ///   library.
  public static func find(_ inputs: MergeInputs, thresholds: [Float] = [])
    throws(TinctureError) -> TensorComparison
  {
    let count = inputs.modelCount
    var products = [[Double]](
      repeating: [Double](repeating: 0, count: count), count: count)
    var signs = [[SignCount]](
      repeating: [SignCount](repeating: SignCount(), count: count), count: count)
    var base = 0.0
    var small = [[Int]](repeating: [Int](repeating: 0, count: thresholds.count), count: count)
    try inputs.scan(.taskVectors) { (block) throws(TinctureError) in
      Kernels.addDot(block.base, block.base, to: &base)
      let words = (0..<count).map { SignWords(block[model: $0]) }
      for a in 0..<count {
        for (index, threshold) in thresholds.enumerated() {
          small[a][index] += Self.count(block[model: a], upTo: threshold)
        }
        for b in a..<count {
          Kernels.addDot(block[model: a], block[model: b], to: &products[a][b])
          words[a].count(with: words[b], into: &signs[a][b])
        }
      }
    }
    for a in 0..<count {
      for b in 0..<a {
        products[a][b] = products[b][a]
        signs[a][b] = signs[b][a]
      }
    }
    let isMatrix =
      inputs.step.shape.matrixExtents != nil && inputs.elementCount > 0 && inputs[spectra]
      && (0..<count).allSatisfy { products[$0][$0].isFinite }
    var found = Directions()
    if isMatrix { found = try directions(inputs) }
    return TensorComparison(
      name: inputs.step.name, shape: inputs.step.shape, layer: inputs.step.layer,
      baseSquare: base, products: products, signs: signs, spectra: found.spectra,
      alignment: found.alignment, containment: found.containment, smallCounts: small)
  }

  private static func count(_ x: Span<Float>, upTo threshold: Float) -> Int {
    var count = 0
    for i in 0..<x.count { count += x[i].magnitude <= threshold ? 1 : 0 }
    return count
  }

  /// What the singular directions of a matrix's task vectors tell.
  private struct Directions {
    var spectra: [SpectrumSummary] = []
    var alignment: [[Double]] = []
    var containment: [[Double]] = []
  }

  private static func directions(_ inputs: MergeInputs) throws(TinctureError) -> Directions {
    let weights = [Double](repeating: 1, count: inputs.modelCount)
    let tasks = try TaskMatrices<Double>(inputs, weights)
    let algebra = tasks.algebra
    var spectra: [SpectrumSummary] = []
    var leading: [SVD<Double>] = []
    var bases: [Matrix<Double>] = []
    for model in 0..<tasks.count {
      let svd = try algebra.svdByGram(tasks.read(model), keepingAbove: 1e-6)
      let values = svd.singularValues.filter { $0 > 0 }
      spectra.append(SpectrumSummary(values, count: tasks.smallerExtent))
      leading.append(svd.prefix(min(inputs[rank], values.count)))
      bases.append(svd.prefix(Self.span(of: values, leaving: 0.05)).u)
    }
    var alignment = leading.map { _ in [Double](repeating: 0, count: leading.count) }
    for a in leading.indices {
      for b in a..<leading.count {
        let shared = min(leading[a].rank, leading[b].rank)
        guard shared > 0 else { continue }
        let (first, second) = (leading[a].prefix(shared), leading[b].prefix(shared))
        let left = try algebra.multiply(first.u, second.u, transposing: .first).frobeniusNorm
        let right = try algebra.multiply(first.vt, second.vt, transposing: .second).frobeniusNorm
        let share = (left * left + right * right) / Double(2 * shared)
        alignment[a][b] = min(1, share)
        alignment[b][a] = alignment[a][b]
      }
    }
    var containment = alignment
    for a in bases.indices {
      let task = try tasks.read(a)
      let norm = task.frobeniusNorm
      for b in bases.indices where norm > 0 && bases[b].columns > 0 {
        let part = try algebra.multiply(bases[b], task, transposing: .first).frobeniusNorm
        containment[a][b] = min(1, part / norm)
      }
    }
    return Directions(spectra: spectra, alignment: alignment, containment: containment)
  }

  /// How many directions leave at most a share of the norm.
  private static func span(of values: [Double], leaving share: Double) -> Int {
    var rest = values.reduce(0) { $0 + $1 * $1 }
    let limit = share * share * rest
    var count = 0
    while rest > limit, count < values.count {
      rest -= values[count] * values[count]
      count += 1
    }
    return count
  }
}

/// The signs of a block's elements, 64 to a word.
private struct SignWords {
  private let positive: [UInt64]
  private let negative: [UInt64]

  init(_ x: Span<Float>) {
    var positive = [UInt64](repeating: 0, count: (x.count + 63) / 64)
    var negative = positive
    for word in positive.indices {
      let start = 64 * word
      var (plus, minus): (UInt64, UInt64) = (0, 0)
      for i in 0..<min(64, x.count - start) {
        let value = x[start + i]
        plus |= (value > 0 ? 1 : 0) << UInt64(i)
        minus |= (value < 0 ? 1 : 0) << UInt64(i)
      }
      positive[word] = plus
      negative[word] = minus
    }
    self.positive = positive
    self.negative = negative
  }

  func count(with other: SignWords, into tally: inout SignCount) {
    for word in positive.indices {
      let same =
        positive[word] & other.positive[word] | negative[word] & other.negative[word]
      let both =
        (positive[word] | negative[word]) & (other.positive[word] | other.negative[word])
      tally.same += same.nonzeroBitCount
      tally.both += both.nonzeroBitCount
    }
  }
}
