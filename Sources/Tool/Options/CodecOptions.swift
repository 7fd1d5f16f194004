public import ArgumentParser
public import TinctureBanks
import TinctureTensors

extension BankCodec.Kind: ExpressibleByArgument {}
extension BankCodec.Rescaling: ExpressibleByArgument {}

/// How experts are coded.
struct CodecOptions: ParsableArguments {
  @Option(
    name: .customLong("codec"),
    help: ArgumentHelp(
      "raw, affine (codes of the weights), tvq, rtvq, tall or emr (a shared vector and masks), svd"
        + " (the largest singular values), sparse (a band of the elements), binary (experimental: signs"
        + " and powers of two); without it rtvq, or the codec of the bank that is added to."))
  var kind: BankCodec.Kind?

  @Option(
    help: ArgumentHelp(
      "Bits of a code, 1 to 8, for tvq and affine (default: 4); of the factors' elements, 16 or 32, for"
        + " svd (default: 32); of a value, 1 to 8, or 16 or 32 for floats, for sparse (default: 8); of"
        + " signs, 1 to 4, for binary (default: 2)."))
  var bits: Int?

  @Option(help: "Bits of a code of the shared vector, for rtvq. (default: 3)")
  var baseBits: Int?

  @Option(help: "Bits of a code of each expert's offset, for rtvq. (default: 2)")
  var offsetBits: Int?

  @Option(
    help: ArgumentHelp(
      "Elements with a range of their own: tensor, row, or a number such as 64. (default: tensor, and"
        + " 128 for binary)"))
  var ranges: RangeGrouping?

  @Flag(inversion: .prefixedNo, help: "Clip ranges so that the squared error is least.")
  var clip: Bool?

  @Flag(inversion: .prefixedNo, help: "Let offsets make up for the error of the shared vector.")
  var errorCorrection: Bool?

  @Option(help: "By how much elements exceed the others' for tall. (default: 0.4)")
  var maskThreshold: Double?

  @Option(
    help:
      "What the factors of emr are ratios of: means of the tensors, as published code has it, or sums over all elements, as the paper has it. (default: means)"
  )
  var rescale: BankCodec.Rescaling?

  @Option(
    help:
      "Singular values that svd stores: a number, or a share of all such as 12.5%. (default: 1 / experts)"
  )
  var rank: RankArgument?

  @Option(help: "The fraction of the elements that sparse keeps. (default: 0.1)")
  var density: Double?

  @Option(help: "The fraction that sparse drops for being largest. (default: 0.01)")
  var outliers: Double?

  @Option(
    help: "Powers of two that make a scale of binary, 1 to 3; 0 for 16-bit floats. (default: 2)")
  var scaleTerms: Int?

  @Option(help: "Rounds in which binary refines signs and scales at most. (default: 15)")
  var rounds: Int?

  /// The codec, beginning with one that is used when the options do not name another.
  ///
  /// - Throws: `usage` for options that the codec does not have or that are out of bounds.
  func codec(startingWith start: BankCodec) throws(TinctureError) -> BankCodec {
    var codec = kind.map { $0 == start.kind ? start : BankCodec($0) } ?? start
    codec.varies = false
    let coded: [BankCodec.Kind] = [.affine, .tvq, .rtvq]
    try setBits(&codec)
    try set(rank, "--rank", for: [.svd], codec.kind) { codec.rank = $0.count }
    try set(density, "--density", for: [.sparse], codec.kind) { codec.density = $0 }
    try set(outliers, "--outliers", for: [.sparse], codec.kind) { codec.outliers = $0 }
    try set(baseBits, "--base-bits", for: [.rtvq], codec.kind, in: 1...8) { codec.baseBits = $0 }
    try set(offsetBits, "--offset-bits", for: [.rtvq], codec.kind, in: 1...8) { codec.bits = $0 }
    try set(ranges, "--ranges", for: coded + [.binary], codec.kind) { codec.grouping = $0.grouping }
    try set(clip, "--clip", for: coded, codec.kind) { codec.clips = $0 }
    try set(errorCorrection, "--error-correction", for: [.rtvq], codec.kind) {
      codec.correctsErrors = $0
    }
    try set(maskThreshold, "--mask-threshold", for: [.tall], codec.kind) {
      codec.maskThreshold = $0
    }
    try set(rescale, "--rescale", for: [.emr], codec.kind) { codec.rescaling = $0 }
    try set(
      scaleTerms, "--scale-terms", for: [.binary], codec.kind, in: BankCodec.scaleTermCounts
    ) { codec.scaleTerms = $0 }
    try set(rounds, "--rounds", for: [.binary], codec.kind, in: BankCodec.roundCounts) {
      codec.rounds = $0
    }
    guard codec.maskThreshold >= 0, codec.maskThreshold.isFinite else {
      throw TinctureError(.usage, "--mask-threshold must be at least 0.")
    }
    guard BankCodec.isBand(density: codec.density, outliers: codec.outliers) else {
      throw TinctureError(
        .usage,
        "--density must be above 0, --outliers at least 0, and both together at most 1; they are"
          + " \(codec.density) and \(codec.outliers).")
    }
    return codec
  }

  private func setBits(_ codec: inout BankCodec) throws(TinctureError) {
    switch codec.kind {
    case .svd:
      guard let bits else { return }
      guard bits == 16 || bits == 32 else {
        throw TinctureError(.usage, "--bits must be 16 or 32 for svd.")
      }
      codec.bits = bits
    case .sparse:
      guard let bits else { return }
      guard BankCodec.sparseWidths.contains(bits) else {
        throw TinctureError(.usage, "--bits must be from 1 to 8, 16 or 32 for sparse.")
      }
      codec.bits = bits
    default:
      let widths = codec.kind == .binary ? LevelTable.widths : PackedCodes.widths
      let kinds: [BankCodec.Kind] = [.affine, .tvq, .svd, .sparse, .binary]
      try set(bits, "--bits", for: kinds, codec.kind, in: widths) { codec.bits = $0 }
    }
  }

  private func set<Value>(
    _ value: Value?, _ option: String, for kinds: [BankCodec.Kind], _ kind: BankCodec.Kind,
    _ change: (Value) -> Void
  ) throws(TinctureError) {
    guard let value else { return }
    guard kinds.contains(kind) else {
      let names = kinds.map(\.rawValue).joined(separator: ", ")
      throw TinctureError(
        .usage, "Codec \(kind.rawValue) has no \(option); that is for \(names).")
    }
    change(value)
  }

  private func set(
    _ value: Int?, _ option: String, for kinds: [BankCodec.Kind], _ kind: BankCodec.Kind,
    in range: ClosedRange<Int>, _ change: (Int) -> Void
  ) throws(TinctureError) {
    try set(value, option, for: kinds, kind) { _ in }
    guard let value else { return }
    guard range.contains(value) else {
      throw TinctureError(
        .usage, "\(option) must be from \(range.lowerBound) to \(range.upperBound).")
    }
    change(value)
  }
}

/// A number of singular values, or a share of all.
struct RankArgument: ExpressibleByArgument {
  let count: SingularValueCount

  init?(argument: String) {
    if argument.hasSuffix("%") {
      guard let value = Double(argument.dropLast()), value > 0, value <= 100 else { return nil }
      count = .share(value / 100)
    } else {
      guard let value = Int(argument), value > 0 else { return nil }
      count = .count(value)
    }
  }
}

/// `tensor`, `row`, or a number of elements.
struct RangeGrouping: ExpressibleByArgument {
  let grouping: CodeGrouping

  init?(argument: String) {
    switch argument {
    case "tensor": grouping = .tensor
    case "row": grouping = .row
    default:
      guard let length = Int(argument), (8...1 << 20).contains(length) else { return nil }
      grouping = .run(length)
    }
  }
}
