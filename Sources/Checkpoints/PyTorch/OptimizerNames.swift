import TinctureTensors

/// The names that the state of an optimiser gives to its numbered parameters.
///
/// `torch.optim` saves `state` under numbers and, where it was made with named parameters, the names beside the numbers
/// in `param_groups`. `0.exp_avg_sq` then means `layers.0.weight.exp_avg_sq`.
struct OptimizerNames {
  private var names: [String: String] = [:]

  /// Reads the names; there are none in other files.
  init(root: PickleValue, heap: PickleHeap) {
    guard let top = Self.members(of: root, in: heap), top["state"] != nil,
      let groups = top["param_groups"].flatMap({ heap.items(of: $0) })
    else { return }
    for group in groups {
      guard let members = Self.members(of: group, in: heap),
        let numbers = members["params"].flatMap({ heap.items(of: $0) }),
        let texts = members["param_names"].flatMap({ heap.items(of: $0) }),
        numbers.count == texts.count
      else { continue }
      for case (.integer(let number), .text(let name)) in zip(numbers, texts) {
        names[String(number)] = name
      }
    }
  }

  private static func members(of value: PickleValue, in heap: PickleHeap) -> [String: PickleValue]?
  {
    guard case .dictionary(let index) = value else { return nil }
    var found: [String: PickleValue] = [:]
    for (key, member) in heap.dictionaries[index].entries {
      if case .text(let name) = key { found[name] = member }
    }
    return found
  }

  /// The name of a tensor with the parameter's name in place of its number, and nothing before it.
  func renamed(_ name: String) -> String {
    guard !names.isEmpty else { return name }
    let outer = "state."
    let inner = name.hasPrefix(outer) ? name.dropFirst(outer.count) : name[...]
    guard let point = inner.firstIndex(of: "."), let parameter = names[String(inner[..<point])]
    else { return name }
    return parameter + inner[point...]
  }
}
