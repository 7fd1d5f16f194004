import ArgumentParser
import Tincture

struct BankCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bank",
    abstract: "Store many experts of one base in a few bits each.",
    discussion: """
      A bank holds what each expert differs by from the base. Recipes take an expert \
      out of it wherever a model stands, as FILE#NAME.

      EXAMPLE
        tincture bank create --base base --expert cars=cars --expert sun=sun \\
          --codec rtvq --base-bits 3 --offset-bits 2 --output experts.bank
        tincture merge --method ties --base base --model experts.bank#cars \\
          --model experts.bank#sun merged
      """,
    subcommands: [
      BankCreateCommand.self, BankAddCommand.self, BankRemoveCommand.self, BankShowCommand.self,
      BankExtractCommand.self, BankVerifyCommand.self,
    ])
}

/// An expert as the command line names it: `NAME=PATH`.
struct NamedExpert: ExpressibleByArgument {
  let name: String
  let path: String

  init?(argument: String) {
    guard let mark = argument.firstIndex(of: "="), mark > argument.startIndex else { return nil }
    name = String(argument[..<mark])
    path = String(argument[argument.index(after: mark)...])
    if path.isEmpty { return nil }
  }
}

/// The codecs by their names.
enum CodecChoice: String, CaseIterable, ExpressibleByArgument {
  case raw, affine, tvq, rtvq, tall, emr

  var kind: BankCodec.Kind {
    switch self {
    case .raw: .raw
    case .affine: .affine
    case .tvq: .tvq
    case .rtvq: .rtvq
    case .tall: .tall
    case .emr: .emr
    }
  }
}

/// How experts are coded.
struct CodecOptions: ParsableArguments {
  @Option(
    name: .customLong("codec"),
    help:
      "raw, affine (codes of the weights), tvq, rtvq, tall or emr (a shared vector and masks).")
  var choice = CodecChoice.rtvq

  @Option(help: "Bits of a code, 1 to 8, for tvq and affine. (default: 4)")
  var bits: Int?

  @Option(help: "Bits of a code of the shared vector, for rtvq. (default: 3)")
  var baseBits: Int?

  @Option(help: "Bits of a code of each expert's offset, for rtvq. (default: 2)")
  var offsetBits: Int?

  @Option(help: "Elements with a range of their own: tensor, row, or a number such as 64.")
  var ranges = RangeGrouping(.tensor)

  @Flag(help: "Clip ranges so that the squared error is least.")
  var clip = false

  @Flag(inversion: .prefixedNo, help: "Let offsets make up for the error of the shared vector.")
  var errorCorrection = true

  @Option(help: "By how much elements exceed the others' for tall. (default: 0.4)")
  var maskThreshold: Double?

  func validate() throws {
    if maskThreshold != nil, choice != .tall {
      throw ValidationError("--mask-threshold is for --codec tall.")
    }
    if let maskThreshold, !(maskThreshold >= 0 && maskThreshold.isFinite) {
      throw ValidationError("--mask-threshold must be at least 0.")
    }
    for (name, value) in [("bits", bits), ("base-bits", baseBits), ("offset-bits", offsetBits)] {
      guard let value, !(1...8).contains(value) else { continue }
      throw ValidationError("--\(name) must be from 1 to 8.")
    }
    if choice != .rtvq, baseBits != nil || offsetBits != nil || !errorCorrection {
      throw ValidationError(
        "--base-bits, --offset-bits and --no-error-correction are for --codec rtvq.")
    }
    if bits != nil, choice == .rtvq {
      throw ValidationError(
        "--codec rtvq takes --base-bits and --offset-bits in place of --bits.")
    }
    let hasCodes = choice == .affine || choice == .tvq || choice == .rtvq
    if bits != nil, !hasCodes {
      throw ValidationError("--codec \(choice.rawValue) has no codes and takes no --bits.")
    }
    if !hasCodes, clip || ranges.grouping != .tensor {
      throw ValidationError(
        "--codec \(choice.rawValue) has no ranges; leave out --clip and --ranges.")
    }
  }

  var value: BankCodec {
    BankCodec(
      choice.kind, bits: choice == .rtvq ? offsetBits ?? 2 : bits ?? 4, baseBits: baseBits ?? 3,
      grouping: ranges.grouping, clips: clip, correctsErrors: errorCorrection,
      maskThreshold: maskThreshold ?? 0.4)
  }
}

/// `tensor`, `row`, or a number of elements.
struct RangeGrouping: ExpressibleByArgument {
  let grouping: CodeGrouping

  init(_ grouping: CodeGrouping) { self.grouping = grouping }

  init?(argument: String) {
    switch argument {
    case "tensor": grouping = .tensor
    case "row": grouping = .row
    default:
      guard let length = Int(argument), (8...1 << 20).contains(length) else { return nil }
      grouping = .run(length)
    }
  }

  var defaultValueDescription: String { "tensor" }
}

/// Opens what the command line names.
enum BankInputs {
  static func open(_ text: String, locator: ModelLocator = ModelLocator())
    throws(TinctureError) -> ModelInput
  {
    try ModelInput(opening: ModelReference(parsing: text), locator: locator)
  }

  /// The base, and the experts under the names of its tensors.
  static func open(base: String, experts: [NamedExpert]) throws(TinctureError)
    -> (base: ModelSource, experts: [(name: String, model: any BankModel)])
  {
    let base = try open(base)
    var models: [(name: String, model: any BankModel)] = []
    for expert in experts {
      do throws(TinctureError) {
        models.append((expert.name, ModelSource(try open(expert.path), base: base)))
      } catch { throw error.located(model: expert.name) }
    }
    return (ModelSource(base), models)
  }
}
