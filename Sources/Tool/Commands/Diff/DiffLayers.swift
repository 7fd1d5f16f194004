import Tincture
import TinctureReports

/// The tensors of one layer, or of one kind outside of layers, compared together.
struct DiffLayer {
  /// The path before the number of the layer.
  let group: String
  /// The number of the layer; nil outside of layers.
  let layer: Int?
  /// What stands in a table.
  let label: String
  /// The figures of all its tensors together.
  let summary: ComparisonSummary

  /// The name in one piece.
  var name: String { group.isEmpty ? label : "\(group).\(label)" }

  /// Puts tensors into layers, in the order of paths and numbers.
  static func all(of tensors: [TensorComparison], modelCount: Int) -> [DiffLayer] {
    struct Key: Hashable {
      let group: String
      let layer: Int?
      let label: String
    }
    var groups: [Key: [TensorComparison]] = [:]
    for tensor in tensors {
      let path = ModulePath(tensor.name)
      let label = path.layer.map { "\($0)" } ?? path.kind
      groups[Key(group: path.module, layer: path.layer, label: label), default: []].append(tensor)
    }
    let keys = groups.keys.sorted {
      ($0.group, $0.layer ?? 0, $0.label) < ($1.group, $1.layer ?? 0, $1.label)
    }
    return keys.map { key in
      DiffLayer(
        group: key.group, layer: key.layer, label: key.label,
        summary: ComparisonSummary(groups[key] ?? [], modelCount: modelCount))
    }
  }
}

/// Two models of a comparison.
struct DiffPair {
  let first: Int
  let second: Int
  let name: String

  /// Every pair once.
  static func all(of models: [String]) -> [DiffPair] {
    models.indices.flatMap { a in
      models.indices.dropFirst(a + 1).map { b in
        DiffPair(first: a, second: b, name: "\(models[a]) · \(models[b])")
      }
    }
  }
}
