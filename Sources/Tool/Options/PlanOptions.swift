public import ArgumentParser
public import Tincture

extension PlanSettings.MissingTensors: ExpressibleByArgument {}
extension MergeOptions.NonFinite: ExpressibleByArgument {}

/// Choices that change the output and are not part of a recipe.
struct PlanOptions: ParsableArguments {
  @Option(help: "The most bytes of tensors in an output file.")
  var shardSize = ByteSize(5_000_000_000)

  @Option(
    help:
      "What to do about tensors that some models lack: error, present (merge the models that have it) or drop."
  )
  var missing = PlanSettings.MissingTensors.error

  @Option(
    help:
      "What to do about NaN and infinity in the inputs: error, base (use the base's element) or propagate."
  )
  var nonFinite = MergeOptions.NonFinite.error

  @Flag(help: "Cut embeddings of different length to the shortest, without regard to tokens.")
  var truncateEmbeddings = false

  @Option(help: "The seed of random methods (default: the recipe's, else 0).")
  var seed: UInt64?

  var settings: PlanSettings {
    PlanSettings(
      shardSize: shardSize.bytes, missing: missing, truncatesEmbeddings: truncateEmbeddings,
      nonFinite: nonFinite, seed: seed)
  }
}
