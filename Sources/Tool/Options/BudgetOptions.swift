public import ArgumentParser
public import TinctureBanks
import TinctureTensors

extension BitBudget.Scope: ExpressibleByArgument {}

/// What a bank may take.
struct BudgetOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "The most that the file may take, such as 60MB, or 8% of the experts' own size; the bits of each"
        + " tensor's codes are then chosen so that the squared error is least."))
  var budget: BudgetSize?

  @Option(
    help:
      "What has a width of its own within the budget: each tensor, or the whole bank. (default: tensor)"
  )
  var allocation: BitBudget.Scope?

  /// The budget, for experts of a size.
  ///
  /// - Throws: `usage` when widths are given, too, or there is no budget to allocate.
  func value(_ codec: CodecOptions, expertBytes: Int) throws(TinctureError) -> BitBudget? {
    guard let budget else {
      guard allocation == nil else {
        throw TinctureError(.usage, "--allocation spreads a budget; give one with --budget.")
      }
      return nil
    }
    guard codec.bits == nil, codec.baseBits == nil, codec.offsetBits == nil else {
      throw TinctureError(
        .usage,
        "--budget chooses the bits of codes; leave out --bits, --base-bits and --offset-bits."
      )
    }
    return BitBudget(bytes: budget.bytes(of: expertBytes), scope: allocation ?? .tensor)
  }
}

/// A number of bytes, or a part of a size.
enum BudgetSize: ExpressibleByArgument {
  case bytes(Int)
  case fraction(Double)

  init?(argument: String) {
    if argument.hasSuffix("%") {
      guard let value = Double(argument.dropLast()), value > 0, value <= 1000 else { return nil }
      self = .fraction(value / 100)
    } else {
      guard let size = ByteSize(argument: argument) else { return nil }
      self = .bytes(size.bytes)
    }
  }

  func bytes(of whole: Int) -> Int {
    switch self {
    case .bytes(let bytes): bytes
    case .fraction(let fraction): Int(fraction * Double(whole))
    }
  }
}
