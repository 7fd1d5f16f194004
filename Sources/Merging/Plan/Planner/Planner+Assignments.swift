internal import TinctureCheckpoints
internal import TinctureJSON
internal import TinctureTensors

extension Planner {
  /// Decides which tensors the output has and which models contribute to each.
  mutating func assignments() throws(TinctureError) -> [TensorAssignment] {
    var result: [TensorAssignment]
    switch recipe.inputs {
    case .models(let entries):
      result = assignments(entries, module: nil, scope: [])
    case .slices(let slices):
      result = stack(slices, module: nil, scope: [])
    case .modules(let modules):
      result = []
      var covered: Set<String> = []
      for entry in modules {
        guard let module = donor.layout.module(named: entry.name) else {
          let names = donor.layout.moduleNames
          problems.add(
            recipe.error(
              at: entry.position,
              "\(donor.name) has no module \"\(entry.name)\"; it has \(names.joined(separator: ", "))."
            ))
          continue
        }
        covered.insert(module)
        switch entry.inputs {
        case .models(let models):
          result += assignments(models, module: module, scope: [entry.parameters])
        case .slices(let slices):
          result += stack(slices, module: module, scope: [entry.parameters])
        case .modules: break
        }
      }
      result += kept(outside: covered)
    }
    return applyKeepRules(to: result)
  }

  /// The names of a model's tensors in the order of a forward pass: embeddings, layers, heads.
  static func ordered(_ names: [String], _ layout: ModelLayout) -> [String] {
    func key(_ name: String) -> (Int, String, Int) {
      let position = layout.position(of: name)
      switch position.zone {
      case .before: return (0, "", 0)
      case .layer(let layer): return (1, position.stack ?? "", layer)
      case .after: return (2, "", 0)
      }
    }
    return names.map { (key($0), $0) }
      .sorted { ($0.0.0, $0.0.1, $0.0.2, $0.1) < ($1.0.0, $1.0.1, $1.0.2, $1.1) }
      .map(\.1)
  }

  // Names of the donor, and after them those that only other models have.
  private func outputNames(of members: [Int]) -> [String] {
    let first = donor
    var names = Self.ordered(first.checkpoint.names, first.layout)
    var seen = Set(names.map { ExactString($0) })
    for member in members where models[member].reference != first.reference {
      let model = models[member]
      for name in Self.ordered(model.checkpoint.names, model.layout)
      where first.layout.counterpart(of: name) == nil {
        // A head that the donor shares with its embedding is the head of the other model, too.
        if first.layout.tiedSource(of: name) == nil || model.layout.tiedSource(of: name) == nil,
          seen.insert(ExactString(name)).inserted
        {
          names.append(name)
        }
      }
    }
    return names
  }

  /// Whether the recipe gives every required parameter to models that have no entry of their own.
  private var hasValuesForAnyModel: Bool {
    method.info.parameters.allSatisfy {
      $0.scope == .merge || $0.defaultValue != nil || preset[$0.name] != nil
        || recipe.parameters[$0.name] != nil
    }
  }

  private mutating func assignments(
    _ entries: [ModelEntry], module: String?, scope: [ParameterTable]
  ) -> [TensorAssignment] {
    var entries = entries
    if let base = recipe.base, !entries.contains(where: { $0.reference == base.reference }) {
      switch method.info.base {
      case .required, .optional: entries.append(base)
      case .member where hasValuesForAnyModel:
        entries.append(base)
        let note =
          "The base is merged like the other models; without base_model: it would not take part."
        if !notes.contains(note) { notes.append(note) }
      case .member, .none: break
      }
    }
    let members = entries.compactMap { positions[$0.reference] }
    let layout = donor.layout
    var result: [TensorAssignment] = []
    for name in outputNames(of: members) {
      let position = layout.position(of: name)
      if let module, position.module != module { continue }
      if isTiedEverywhere(name, members) { continue }
      let sources = entries.compactMap { entry -> TensorAssignment.Source? in
        guard let model = positions[entry.reference] else { return nil }
        return .init(
          model: model, name: models[model].source(of: name), parameters: entry.parameters,
          position: entry.position)
      }
      result.append(
        TensorAssignment(
          name: name, sources: sources, base: recipe.base.flatMap { positions[$0.reference] },
          scope: scope, layer: position.layer, depth: layout.depth(of: name), keptFrom: nil,
          stackDepth: (position.layer ?? 0) > 0 ? layout.depth(of: name) : 0))
    }
    return result
  }

  /// Whether a tensor shares the values of another in every model, so that it is not written.
  func isTiedEverywhere(_ name: String, _ members: [Int]) -> Bool {
    guard !settings.isConversion, donor.layout.tiedSource(of: name) != nil else { return false }
    return members.allSatisfy { models[$0].layout.tiedSource(of: name) != nil }
  }

  // Tensors of modules that the recipe does not mention stay as the donor has them.
  private mutating func kept(outside covered: Set<String>) -> [TensorAssignment] {
    let donor = donor
    guard let model = positions[donor.reference] else { return [] }
    let names = Self.ordered(donor.checkpoint.names, donor.layout).filter {
      !covered.contains(donor.layout.position(of: $0).module)
    }
    if !names.isEmpty {
      notes.append(
        "\(names.count) tensors of modules that the recipe does not mention are taken from \(donor.name)."
      )
    }
    return names.map {
      TensorAssignment(
        name: $0, sources: [], base: nil, scope: [], layer: donor.layout.position(of: $0).layer,
        depth: 0, keptFrom: model)
    }
  }

  private func applyKeepRules(to assignments: [TensorAssignment]) -> [TensorAssignment] {
    guard !recipe.keep.isEmpty else { return assignments }
    let donorPosition = positions[donor.reference]
    func rule(_ name: String, _ layer: Int?) -> Int?? {
      for rule in recipe.keep where rule.selector.matches(name: name, layer: layer) {
        return .some(rule.reference.map { positions[$0] } ?? donorPosition)
      }
      return nil
    }
    var result = assignments.map { assignment in
      guard let model = rule(assignment.name, assignment.layer) else { return assignment }
      return TensorAssignment(
        name: assignment.name, sources: assignment.sources, base: assignment.base,
        scope: assignment.scope, layer: assignment.layer, depth: assignment.depth, keptFrom: model)
    }
    // What only the model of a rule has comes in by that rule.
    var names = Set(result.map { ExactString($0.name) })
    for rule in recipe.keep {
      guard let position = rule.reference.map({ positions[$0] }) ?? donorPosition else { continue }
      let model = models[position]
      for name in Self.ordered(model.checkpoint.names, model.layout) {
        let layer = model.layout.position(of: name).layer
        guard rule.selector.matches(name: name, layer: layer),
          names.insert(ExactString(name)).inserted
        else { continue }
        result.append(
          TensorAssignment(
            name: name, sources: [], base: nil, scope: [], layer: layer, depth: 0,
            keptFrom: position))
      }
    }
    return result
  }
}
