public import ArgumentParser
import Tincture
public import TinctureAdapters

extension CombinationMode: ExpressibleByArgument {
  /// Reads the name of a mode, PEFT's included.
  public init?(argument: String) { self.init(named: argument) }
}

extension ElementRule: ExpressibleByArgument {}
extension MajoritySign: ExpressibleByArgument {}

struct LoraCombineCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "combine",
    abstract: "Make one adapter of several.",
    discussion: """
      cat           the weighted sum of the changes, exactly; ranks add up
      svd           the same sum, cut to a rank
      linear, ties, dare_linear, dare_ties, magnitude_prune
                    a rule on the factors A and B, each for itself, as in PEFT
      delta_ties, delta_dare_linear, delta_dare_ties, delta_magnitude_prune
                    the rule on whole changes, cut to a rank (PEFT: ties_svd, …)
      lego          clusters of pairs of a row of A and a column of B
      knots, core   the rule --inner in coordinates that the changes share

      Rules on factors need equal ranks; linear is not the sum of the changes.

      EXAMPLE
        tincture lora combine cars-lora sun-lora --weights 0.5,0.5 -o both-lora
        tincture lora combine cars-lora sun-lora --mode ties --density 0.5 -o both-lora
        tincture lora combine cars-lora sun-lora --mode knots --density 0.2 --rank 16 -o both-lora
      """)

  @Argument(help: "The adapters.")
  var adapters: [String]

  @Option(
    parsing: .unconditional,
    help: "What the changes are multiplied by: a number for each adapter, or one for all.")
  var weights = NumberList([1])

  @Option(help: ArgumentHelp("How they are combined; see above.", valueName: "mode"))
  var mode = CombinationMode.cat

  @Option(
    help:
      "The rank of the result, for svd, delta_…, lego, knots and core (default: the inputs' largest; for knots and core all there is)."
  )
  var rank: Int?

  @Option(help: "The share of elements that stays, for modes that prune.")
  var density: Double?

  @Option(
    help:
      "How the sign that counts is found, by sums or by counts (default: total)."
  )
  var majoritySignMethod: MajoritySign?

  @Option(
    help:
      "The rule of knots and core (default: ties)."
  )
  var inner: ElementRule?

  @Option(help: "The seed of random modes (default: 0).")
  var seed: UInt64?

  @OptionGroup(title: "Output") var output: AdapterOutputOptions
  @OptionGroup(title: "Resources") var resources: ResourceOptions
  @OptionGroup(title: "Display") var display: DisplayOptions

  func run() async throws {
    try await Console.reporting { () async throws(TinctureError) in
      Signals.install()
      let chosen = try checkedOptions()
      var opened: [Adapter] = []
      for path in adapters { opened.append(try Adapter(opening: path)) }
      var combination = try AdapterCombination(
        opened, weights: weights.spread(over: adapters.count, "adapters"), mode: mode,
        options: chosen)
      combination.dtype = try output.type()
      let ready = combination
      try await output.run(resources, display, comparedTo: .sum) {
        (job) async throws(TinctureError) in
        try await ready.run(job)
      }
    }
  }

  /// The options, each checked to have a meaning for the mode.
  private func checkedOptions() throws(TinctureError) -> CombinationOptions {
    func refuse(_ option: String, _ isUseless: Bool) throws(TinctureError) {
      if isUseless {
        throw TinctureError(.usage, "The mode \(mode.rawValue) has no \(option).")
      }
    }
    let takesRule = mode == .knots || mode == .core
    try refuse("--inner", inner != nil && !takesRule)
    let rule = takesRule ? inner ?? .ties : mode.elementRule
    try refuse("--density", density != nil && !(rule?.prunes ?? false))
    try refuse("--majority-sign-method", majoritySignMethod != nil && !(rule?.elects ?? false))
    try refuse("--seed", seed != nil && !(rule?.isRandom ?? false) && mode != .lego)
    if rule?.prunes ?? false, density == nil {
      throw TinctureError(
        .usage, "The mode \(mode.rawValue) prunes; say by --density which share of elements stays.")
    }
    return CombinationOptions(
      density: density ?? 1, majoritySign: majoritySignMethod ?? .total, rank: rank,
      inner: inner ?? .ties, seed: seed ?? 0)
  }
}
