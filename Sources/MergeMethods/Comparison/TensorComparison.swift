public import TinctureTensors

/// How the task vectors of several models compare in one tensor.
public struct TensorComparison: Sendable {
  /// The name.
  public let name: String
  /// The extents.
  public let shape: Shape
  /// The layer, where the tensor belongs to one.
  public let layer: Int?
  /// The squared norm of the base.
  public let baseSquare: Double
  /// The inner products of the task vectors, in the order of the models.
  public let products: [[Double]]
  /// How the signs of two task vectors agree.
  public let signs: [[SignCount]]
  /// The singular values of each task vector; empty where they were not asked for, or of no matrix.
  public let spectra: [SpectrumSummary]
  /// How much of the leading singular directions two task vectors share, 0 to 1; empty like `spectra`.
  public let alignment: [[Double]]

  /// How much of each task vector lies in the span of another's left singular directions, ‖U_b U_bᵀ τ_a‖ / ‖τ_a‖
  /// with as many directions of b as leave 5 per cent of its norm at most; empty like `spectra`.
  public let containment: [[Double]]
  /// How many elements of each task vector are at most as large as each threshold.
  public let smallCounts: [[Int]]

  /// The norm of a model's task vector.
  public func norm(_ model: Int) -> Double { products[model][model].squareRoot() }
}

/// How many elements of two task vectors have signs, and how many the same.
public struct SignCount: Sendable, Hashable {
  /// Elements that are not zero in both.
  public var both = 0
  /// Elements that have the same sign in both.
  public var same = 0

  /// The share of the same sign; nil where no element has a sign in both.
  public var agreement: Double? { both > 0 ? Double(same) / Double(both) : nil }

  static func + (left: SignCount, right: SignCount) -> SignCount {
    SignCount(both: left.both + right.both, same: left.same + right.same)
  }
}

/// How the task vectors of several models compare over all tensors.
public struct ComparisonSummary: Sendable {
  /// The number of models.
  public let modelCount: Int
  /// The norm of the base.
  public let baseNorm: Double
  /// The norms of the task vectors.
  public let norms: [Double]
  /// The cosines between task vectors; nil where one is zero.
  public let cosines: [[Double?]]
  /// The shares of elements with the same sign, of those that have one in both.
  public let signs: [[Double?]]
  /// The means over the matrices of the share of directions in use, effective rank / min(m, n); nil
  /// without matrices.
  public let effectiveRanks: [Double?]
  /// The mean stable ranks of the matrices; nil without any.
  public let stableRanks: [Double?]
  /// The mean alignments of the matrices in which both task vectors have directions; nil without any.
  public let alignment: [[Double?]]
  /// The mean containments of the matrices in which both task vectors have directions; nil without any.
  public let containment: [[Double?]]
  /// The shares of elements of each task vector that are at most as large as each threshold; empty without
  /// elements.
  public let sparsity: [[Double]]

  /// Adds tensors up, in their order.
  ///
  /// - Parameters:
  ///   - tensors: The tensors; all compare the same models.
  ///   - modelCount: The number of models.
  /// - Complexity: O(n T²).
  public init(_ tensors: [TensorComparison], modelCount: Int) {
    self.modelCount = modelCount
    let models = 0..<modelCount
    baseNorm = tensors.reduce(0) { $0 + $1.baseSquare }.squareRoot()
    func sum(_ a: Int, _ b: Int) -> Double { tensors.reduce(0) { $0 + $1.products[a][b] } }
    let squares = models.map { sum($0, $0) }
    norms = squares.map { $0.squareRoot() }
    cosines = models.map { a in
      models.map { b in
        let size = squares[a].squareRoot() * squares[b].squareRoot()
        return size > 0 ? max(-1, min(1, sum(a, b) / size)) : nil
      }
    }
    signs = models.map { a in
      models.map { b in
        tensors.reduce(SignCount()) { $0 + $1.signs[a][b] }.agreement
      }
    }
    let matrices = tensors.filter { !$0.spectra.isEmpty }
    func mean(_ values: [Double]) -> Double? {
      values.isEmpty ? nil : values.reduce(0, +) / Double(values.count)
    }
    effectiveRanks = models.map { model in
      mean(
        matrices.map(\.spectra[model]).filter { $0.largest > 0 }
          .map { $0.effectiveRank / Double($0.count) })
    }
    stableRanks = models.map { model in
      mean(matrices.map(\.spectra[model]).filter { $0.largest > 0 }.map(\.stableRank))
    }
    func pairs(_ value: (TensorComparison, Int, Int) -> Double) -> [[Double?]] {
      models.map { a in
        models.map { b in
          mean(
            matrices.filter { $0.spectra[a].largest > 0 && $0.spectra[b].largest > 0 }
              .map { value($0, a, b) })
        }
      }
    }
    alignment = pairs { $0.alignment[$1][$2] }
    containment = pairs { $0.containment[$1][$2] }
    let elements = tensors.reduce(0) { $0 + $1.shape.elementCount }
    let thresholds = tensors.first?.smallCounts.first?.indices ?? 0..<0
    sparsity = models.map { model in
      guard elements > 0 else { return [] }
      return thresholds.map { threshold in
        Double(tensors.reduce(0) { $0 + $1.smallCounts[model][threshold] }) / Double(elements)
      }
    }
  }
}
