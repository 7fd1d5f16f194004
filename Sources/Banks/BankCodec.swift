public import TinctureTensors

/// How experts are stored, and with which settings.
public struct BankCodec: Sendable, Hashable {
  /// The codecs.
  public enum Kind: String, Sendable, Hashable, CaseIterable {
    /// Weights as they are.
    case raw
    /// Affine codes of the weights: the baseline of the publication, which fails at few bits.
    case affine
    /// Affine codes of the task vectors. Source: arXiv:2503.06921.
    case tvq
    /// Affine codes of the mean task vector and of what it leaves. Source: arXiv:2503.06921.
    case rtvq
    /// The sum of the task vectors and a mask for each. Source: arXiv:2405.07813.
    case tall
    /// The elected task vector, a mask and a factor for each. Source: arXiv:2405.17461.
    case emr
    /// The largest singular values of each matrix's task vector, with their vectors: TSV-Compress.
    /// Source: arXiv:2412.00081.
    case svd
    /// A band of each task vector's elements with their places. Source: arXiv:2312.06795.
    case sparse
    /// Sums of sign vectors with scales of powers of two; experimental. Source: arXiv:2406.05981.
    case binary
  }

  /// What the factor of an expert of `emr` is the ratio of.
  public enum Rescaling: String, Sendable, Hashable, CaseIterable {
    /// Σ over tensors of the mean of |τ|, by that of |m τ_U|: as published code has it, so that small tensors
    /// count as much as large ones.
    case means
    /// Σ over all elements of |τ|, by that of |m τ_U|: as the paper has it.
    case sums
  }

  /// The codec.
  public var kind: Kind
  /// Bits of a code; of an offset for `rtvq`; of an element of the factors, 16 or 32, for `svd`; of a
  /// value, where 16 and 32 are floats, for `sparse`; the number of sign vectors for `binary`.
  public var bits: Int
  /// Bits of a code of the shared vector, for `rtvq`.
  public var baseBits: Int
  /// Whether widths differ from tensor to tensor, so that the two above are typical ones only.
  public var varies = false
  /// Over how many elements a range extends.
  public var grouping: CodeGrouping
  /// Whether ranges are clipped so that the squared error is least.
  public var clips: Bool
  /// Whether offsets are taken from the shared vector as it is stored, so that its error is made up
  /// for, instead of from the mean.
  public var correctsErrors: Bool
  /// By how much an element must exceed what the other experts add to it, for `tall`.
  public var maskThreshold: Double
  /// What the factors of `emr` are ratios of.
  public var rescaling = Rescaling.means
  /// The fraction of the elements that `sparse` keeps.
  public var density: Double
  /// The fraction of the elements that `sparse` drops for being largest.
  public var outliers: Double
  /// How many powers of two make a scale of `binary`; 0 for scales that are 16-bit floats.
  public var scaleTerms: Int
  /// How often the start of `binary` is refined at most.
  public var rounds: Int

  /// How many singular values are stored, for `svd`; without, the share that each of the experts has
  /// that a bank is made of.
  public var rank: SingularValueCount?

  /// Creates a codec with its settings.
  ///
  /// - Parameters:
  ///   - kind: The codec.
  ///   - bits: Bits of a code; without, 2 for the offsets of `rtvq`, 32 for `svd`, 8 for `sparse`, 2 for
  ///     `binary` and 4 for others.
  ///   - baseBits: Bits of a code of the shared vector.
  ///   - grouping: Over how many elements a range extends; without, 128 for `binary` and all of the
  ///     tensor's for others.
  ///   - clips: Whether ranges are clipped.
  ///   - correctsErrors: Whether offsets make up for the shared vector's error.
  ///   - maskThreshold: The threshold of `tall`.
  ///   - rank: How many singular values are stored.
  ///   - density: The fraction that `sparse` keeps.
  ///   - outliers: The fraction that `sparse` drops for being largest.
  ///   - scaleTerms: How many powers of two make a scale of `binary`.
  ///   - rounds: How often the start of `binary` is refined at most.
  public init(
    _ kind: Kind, bits: Int? = nil, baseBits: Int = 3, grouping: CodeGrouping? = nil,
    clips: Bool = false, correctsErrors: Bool = true,
    maskThreshold: Double = 0.4, rank: SingularValueCount? = nil, density: Double = 0.1,
    outliers: Double = 0.01, scaleTerms: Int = 2, rounds: Int = 15
  ) {
    self.kind = kind
    self.bits = bits ?? Self.usualBits(kind)
    self.rank = rank
    self.baseBits = baseBits
    self.grouping = grouping ?? (kind == .binary ? .run(128) : .tensor)
    self.clips = clips
    self.correctsErrors = correctsErrors
    self.maskThreshold = maskThreshold
    self.density = density
    self.outliers = outliers
    self.scaleTerms = scaleTerms
    self.rounds = rounds
  }

  private static func usualBits(_ kind: Kind) -> Int {
    switch kind {
    case .rtvq: 2
    case .sparse: 8
    case .svd: 32
    case .binary: 2
    default: 4
    }
  }

  /// The bits that values of `sparse` may have.
  public static let sparseWidths: Set<Int> = Set(PackedCodes.widths).union([16, 32])

  /// The numbers of powers of two that scales of `binary` may have.
  public static let scaleTermCounts = 0...ShiftCode.terms.upperBound

  /// The numbers of rounds that `binary` may make.
  public static let roundCounts = 0...1000

  /// Whether `sparse` can keep and drop such fractions.
  public static func isBand(density: Double, outliers: Double) -> Bool {
    density > 0 && outliers >= 0 && density + outliers <= 1
  }

  /// Whether vectors are affine codes of a width.
  public var hasCodes: Bool { kind == .affine || kind == .tvq || kind == .rtvq }

  /// Whether experts are stored beside a vector that they share.
  public var hasShared: Bool { kind == .rtvq || kind == .tall || kind == .emr }

  /// Whether a tensor is coded; the others are stored as they are.
  ///
  /// Masks and bands are made of all tensors. Codes, as published, of names with `weight` but not `ln_`. Vectors,
  /// such as norms under other names, are never coded.
  public func codes(_ name: String, _ shape: Shape, _ dtype: DType) -> Bool {
    switch kind {
    case .raw: false
    case .svd: dtype.isArithmetic && shape.rank == 2
    case .tall, .emr, .sparse: dtype.isArithmetic
    case .affine, .tvq, .rtvq, .binary:
      dtype.isArithmetic && shape.rank > 1 && name.contains("weight") && !name.contains("ln_")
    }
  }

  private static func percent(_ share: Double) -> String {
    let thousandths = Int((share * 1000).rounded())
    return "\(thousandths / 10)" + (thousandths % 10 == 0 ? " %" : ".\(thousandths % 10) %")
  }

  private var about: String { varies ? "about " : "" }

  /// The codec and its settings in words.
  public var text: String {
    var words = [kind.rawValue]
    switch kind {
    case .raw: return kind.rawValue
    case .emr: return rescaling == .means ? kind.rawValue : "emr, rescaled by sums"
    case .tall: return "tall, threshold \(maskThreshold)"
    case .svd:
      switch rank {
      case .count(let count): words.append("\(count) singular values")
      case .share(let share): words.append("\(Self.percent(share)) of the singular values")
      case nil: break
      }
      if bits != 32 { words.append("factors of \(bits) bits") }
      return words.joined(separator: ", ")
    case .sparse:
      return "sparse, density \(density), outliers \(outliers), \(bits) bits"
    case .binary:
      words.append("\(bits) bits")
      switch scaleTerms {
      case 0: words.append("scales of 16 bits")
      case 1: words.append("scales of one power of two")
      default: words.append("scales of \(scaleTerms) powers of two")
      }
    case .affine, .tvq: words.append("\(about)\(bits) bits")
    case .rtvq:
      words.append("base \(about)\(baseBits) bits, offset \(about)\(bits) bits")
      if !correctsErrors { words.append("without error correction") }
    }
    let own = kind == .binary ? "a set" : "a range"
    switch grouping {
    case .tensor: words.append("\(own) per tensor")
    case .row: words.append("\(own) per row")
    case .run(let length): words.append("\(own) per \(length)")
    }
    if clips { words.append("clipped") }
    return words.joined(separator: ", ")
  }
}
