internal import SystemPackage
internal import TinctureSafetensors
package import TinctureTensors

/// Which tensors of a model an adapter changes, by the model's own names.
///
/// Names in PEFT's and diffusers' styles are looked up like those of another checkpoint of the model;
/// those in kohya's style by all names of the model with underscores for dots. An adapter for a whole
/// pipeline fits a model that is one part of it: the others are left out.
package struct AdapterTargets: Sendable {
  /// The changes by the name of the weight.
  package private(set) var changes: [String: LowRankAdapter.Change] = [:]
  /// The changes of biases by the name of the bias.
  package private(set) var biases: [String: LowRankAdapter.Change] = [:]
  /// The tensors that are replaced, by name.
  package private(set) var replacements: [String: Checkpoint.Entry] = [:]
  /// Parts of a pipeline that the model does not have, with the number of their layers.
  package private(set) var leftOut: [(component: String, layers: Int)] = []

  /// Finds the tensors.
  ///
  /// - Parameters:
  ///   - adapter: The adapter.
  ///   - layout: The layout of the model.
  ///   - checkpoint: The model.
  /// - Throws: `checkpoint` with all tensors that the model does not have or that have another shape.
  package init(_ adapter: LowRankAdapter, _ layout: ModelLayout, _ checkpoint: Checkpoint)
    throws(TinctureError)
  {
    let flat = adapter.style == .kohya ? Self.flatNames(checkpoint.names) : [:]
    var lost: [String: [String]] = [:]
    var hits: Set<String> = []
    for (weight, change) in adapter.changes {
      let part = change.component ?? ""
      let own =
        adapter.style == .kohya
        ? Self.kohya(change, flat)
        : layout.counterpart(of: weight) ?? layout.counterpart(of: part + "." + weight)
      guard let own else {
        lost[part, default: []].append(weight)
        continue
      }
      hits.insert(part)
      guard changes.updateValue(change, forKey: own) == nil else {
        throw TinctureError(
          .checkpoint, "Two layers of the adapter stand for the same weight of the model.",
          at: .init(file: adapter.path, tensor: own))
      }
      try addBias(of: change, own, layout)
    }
    for (name, entry) in adapter.replacements {
      guard let own = layout.counterpart(of: name) else {
        lost["", default: []].append(name)
        continue
      }
      try Self.checkShape(entry, checkpoint[own], own)
      replacements[own] = entry
    }
    for (part, names) in lost.sorted(by: { $0.key < $1.key }) {
      guard part.isEmpty || hits.contains(part) || hits.isEmpty else {
        leftOut.append((part, names.count))
        continue
      }
      throw TinctureError(
        .checkpoint,
        "The adapter changes \(names.count) tensors that the model does not have: "
          + NameList.text(names) + ".", at: .init(file: adapter.path))
    }
  }

  private mutating func addBias(
    of change: LowRankAdapter.Change, _ weight: String, _ layout: ModelLayout
  ) throws(TinctureError) {
    guard let bias = change.bias else { return }
    let name = (weight.hasSuffix(".weight") ? String(weight.dropLast(7)) : weight) + ".bias"
    guard let own = layout.counterpart(of: name) else {
      throw TinctureError(
        .checkpoint, "The adapter changes a bias that the model does not have: \(name).",
        at: .init(file: bias.file.path.string, tensor: bias.tensor.name))
    }
    biases[own] = change
  }

  private static func checkShape(
    _ entry: Checkpoint.Entry, _ present: Checkpoint.Entry?, _ name: String
  ) throws(TinctureError) {
    guard let present, present.tensor.shape != entry.tensor.shape else { return }
    throw TinctureError(
      .checkpoint,
      "The adapter replaces \(name), which is \(present.tensor.shape) in the model, by a tensor of"
        + " \(entry.tensor.shape). Resize the model first.",
      at: .init(file: entry.file.path.string, tensor: entry.tensor.name))
  }

  /// The weights of a model by their names with underscores; nil where two would be the same.
  private static func flatNames(_ names: [String]) -> [String: String?] {
    var result: [String: String?] = [:]
    for name in names where name.hasSuffix(".weight") {
      let key = String(name.dropLast(".weight".count)).replacing(".", with: "_")
      result.updateValue(result[key] == nil ? name : nil, forKey: key)
    }
    return result
  }

  private static func kohya(_ change: LowRankAdapter.Change, _ names: [String: String?]) -> String?
  {
    let prefixes = [""] + (change.component.flatMap { pipelines[$0] } ?? [])
    for prefix in prefixes {
      if let found = names[prefix + change.module] { return found }
    }
    return nil
  }

  /// What stands before the names of a part in checkpoints of whole pipelines.
  private static let pipelines = [
    "unet": ["unet_", "model_diffusion_model_", "diffusion_model_", "transformer_"],
    "transformer": ["transformer_", "model_diffusion_model_", "diffusion_model_"],
    "text_encoder": [
      "text_encoder_", "cond_stage_model_transformer_", "conditioner_embedders_0_transformer_",
      "text_model_",
    ],
    "text_encoder_2": ["text_encoder_2_", "conditioner_embedders_1_model_", "text_model_"],
    "text_encoder_3": ["text_encoder_3_"],
  ]
}

/// Long lists of names in messages.
package enum NameList {
  /// The names joined by commas; after the first forty, how many there are besides.
  package static func text(_ names: [String], limit: Int = 40) -> String {
    let shown = names.prefix(limit).joined(separator: ", ")
    return names.count <= limit ? shown : "\(shown) and \(names.count - limit) more"
  }
}
