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
  }

  /// The codec.
  public var kind: Kind
  /// Bits of a code; of an offset for `rtvq`.
  public var bits: Int
  /// Bits of a code of the shared vector, for `rtvq`.
  public var baseBits: Int
  /// Over how many elements a range extends.
  public var grouping: CodeGrouping
  /// Whether ranges are clipped so that the squared error is least.
  public var clips: Bool
  /// Whether offsets are taken from the shared vector as it is stored, so that its error is made up
  /// for, instead of from the mean.
  public var correctsErrors: Bool

  /// Creates a codec with its settings.
  public init(
    _ kind: Kind, bits: Int = 4, baseBits: Int = 3, grouping: CodeGrouping = .tensor,
    clips: Bool = false, correctsErrors: Bool = true
  ) {
    self.kind = kind
    self.bits = bits
    self.baseBits = baseBits
    self.grouping = grouping
    self.clips = clips
    self.correctsErrors = correctsErrors
  }

  /// Whether a tensor is coded; the others are stored as they are.
  ///
  /// As published: names with `weight` but not `ln_`. Vectors, such as norms under other names, are
  /// never coded.
  public func codes(_ name: String, _ shape: Shape, _ dtype: DType) -> Bool {
    kind != .raw && dtype.isArithmetic && shape.rank > 1 && name.contains("weight")
      && !name.contains("ln_")
  }

  /// The codec and its settings in words.
  public var text: String {
    var words = [kind.rawValue]
    switch kind {
    case .raw: return kind.rawValue
    case .affine, .tvq: words.append("\(bits) bits")
    case .rtvq:
      words.append("base \(baseBits) bits, offset \(bits) bits")
      if !correctsErrors { words.append("without error correction") }
    }
    switch grouping {
    case .tensor: words.append("a range per tensor")
    case .row: words.append("a range per row")
    case .run(let length): words.append("a range per \(length)")
    }
    if clips { words.append("clipped") }
    return words.joined(separator: ", ")
  }
}
