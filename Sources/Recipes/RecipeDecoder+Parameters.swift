import TinctureMerging
import TinctureTensors

extension RecipeDecoder {
  static let selectorKeys = ["filter", "regex", "layers"]

  /// The parameters of one level.
  mutating func parameters(_ node: YAMLNode?) -> ParameterTable {
    guard let node else { return ParameterTable() }
    guard let members = node.mapping else {
      report(
        node.position,
        "'parameters' must map names to values, as in 'weight: 0.5', but this is \(node.kind).")
      return ParameterTable()
    }
    var table = ParameterTable()
    for member in members {
      guard !member.name.isEmpty else {
        report(member.position, "The name of a parameter is empty.")
        continue
      }
      let what = "The parameter '\(Self.shortened(member.name))'"
      if let setting = setting(member.value, what) {
        table.entries.append(
          .init(
            name: member.name, setting: setting, position: member.position,
            settingPosition: member.value.position))
      }
    }
    return table
  }

  /// A value, a gradient, or settings under conditions.
  mutating func setting(_ node: YAMLNode, _ what: String) -> ParameterSetting? {
    switch node.content {
    case .scalar: return value(node, what).map { .value($0) }
    case .mapping: return condition(node, what).map { .conditional([$0]) }
    case .list(let items):
      guard let first = items.first else {
        report(node.position, "\(what) is an empty list.")
        return nil
      }
      guard first.mapping != nil else { return gradient(items, what) }
      var conditions: [ConditionalSetting] = []
      for item in items {
        if let condition = condition(item, what) { conditions.append(condition) }
      }
      return conditions.count == items.count ? .conditional(conditions) : nil
    }
  }

  private mutating func gradient(_ items: [YAMLNode], _ what: String) -> ParameterSetting? {
    var values: [ParameterValue] = []
    for item in items {
      guard item.scalar != nil else {
        report(
          item.position,
          "\(what) mixes values with \(item.kind); write either values or conditions.")
        continue
      }
      if let value = value(item, what) { values.append(value) }
    }
    return values.count == items.count ? .gradient(values) : nil
  }

  private mutating func condition(_ node: YAMLNode, _ what: String) -> ConditionalSetting? {
    let keys = Self.selectorKeys + ["value"]
    guard let members = members(of: node, keys: keys, in: "a condition of a parameter") else {
      return nil
    }
    let selector = selector(members)
    guard let node = members["value"] else {
      reportMissing(["value"], of: members, "\(what) has a condition without a 'value'.")
      return nil
    }
    var setting: ParameterSetting?
    switch node.content {
    case .scalar: setting = value(node, what).map { .value($0) }
    case .list(let items) where !items.isEmpty: setting = gradient(items, what)
    case .list: report(node.position, "\(what) is an empty list.")
    case .mapping: report(node.position, "\(what) has a condition inside a condition.")
    }
    guard let selector, let setting else { return nil }
    return ConditionalSetting(selector: selector, setting: setting, position: members.position)
  }

  private mutating func value(_ node: YAMLNode, _ what: String) -> ParameterValue? {
    guard let scalar = node.scalar, !scalar.isNull else {
      report(node.position, "\(what) has no value.")
      return nil
    }
    if let flag = scalar.bool { return .bool(flag) }
    guard let number = scalar.number else { return .text(scalar.text) }
    guard number.isFinite else {
      report(node.position, "\(what) must be finite, but this is '\(scalar.text)'.")
      return nil
    }
    return .number(number)
  }

  /// A finite number.
  mutating func number(_ node: YAMLNode?, _ what: String) -> Located<Double>? {
    guard let node else { return nil }
    let value = node.scalar.flatMap { $0.number ?? $0.bool.map { $0 ? 1 : 0 } }
    guard let value, value.isFinite else {
      report(node.position, "\(what) must be a finite number, but this is \(node.kind).")
      return nil
    }
    return Located(value, at: node.position)
  }
}

extension RecipeDecoder {
  /// The tensors that `filter`, `regex` and `layers` choose together.
  mutating func selector(_ members: YAMLMembers) -> TensorSelector? {
    var selector = TensorSelector()
    var isSound = true
    if let node = members["filter"] {
      selector.substring = node.scalar?.text
      if node.scalar == nil {
        report(node.position, "'filter' must be a text, but this is \(node.kind).")
        isSound = false
      }
    }
    if let node = members["regex"] {
      selector.pattern = pattern(node)
      isSound = isSound && selector.pattern != nil
    }
    if let node = members["layers"] {
      selector.layers = layers(node)
      isSound = isSound && selector.layers != nil
    }
    return isSound ? selector : nil
  }

  private mutating func pattern(_ node: YAMLNode) -> TensorPattern? {
    guard let text = text(node, "'regex'") else { return nil }
    do throws(TinctureError) {
      return try TensorPattern(text.value)
    } catch {
      report(text.position, error.message)
      return nil
    }
  }

  /// One layer, a range of two numbers, or a list of ranges.
  private mutating func layers(_ node: YAMLNode) -> [Range<Int>]? {
    if let list = node.list, list.contains(where: { $0.list != nil }) {
      let ranges = list.compactMap { layerPair($0) }
      if ranges.count == list.count { return ranges }
    } else if let layer = node.scalar?.integer, (0..<Self.layerLimit).contains(layer) {
      return [layer..<layer + 1]
    } else if let range = layerPair(node) {
      return [range]
    }
    report(
      node.position,
      "'layers' must be a layer, a range such as [8, 16] that leaves out its end, or a list of "
        + "ranges.")
    return nil
  }

  private func layerPair(_ node: YAMLNode) -> Range<Int>? {
    guard let list = node.list, list.count == 2, let start = list[0].scalar?.integer,
      let end = list[1].scalar?.integer, start >= 0, start < end, end <= Self.layerLimit
    else { return nil }
    return start..<end
  }
}
