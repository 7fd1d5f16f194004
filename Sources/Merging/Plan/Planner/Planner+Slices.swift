internal import TinctureCheckpoints
internal import TinctureTensors

extension Planner {
  /// Stacks the layers of slices: layer k of the output is the next layer of the current slice.
  ///
  /// What stands before the layers comes from the first slice, what stands after them from the last.
  mutating func stack(_ slices: [SliceEntry], module: String?, scope: [ParameterTable])
    -> [TensorAssignment]
  {
    guard checkSlices(slices, module) else { return [] }
    var result = ends(slices, module, scope, isBefore: true)
    var output = 0
    let total = slices.reduce(0) { $0 + $1.layerCount }
    for slice in slices {
      let length = slice.layerCount
      for offset in 0..<length {
        let depth = length > 1 ? Double(offset) / Double(length - 1) : 1
        var made = layer(slice, offset: offset, output: output, depth: depth, module, scope)
        let stackDepth = Double(output) / Double(max(1, total - 1))
        for index in made.indices { made[index].stackDepth = stackDepth }
        result += made
        output += 1
      }
    }
    return result + ends(slices, module, scope, isBefore: false)
  }

  private mutating func checkSlices(_ slices: [SliceEntry], _ module: String?) -> Bool {
    var isFine = true
    for slice in slices {
      for source in slice.sources {
        guard let position = positions[source.reference] else { continue }
        let model = models[position]
        let stacks = module.map { model.layout.stacks(of: $0) } ?? model.layout.stacks
        guard stacks.count == 1, let stack = stacks.first else {
          isFine = false
          let found = stacks.isEmpty ? "no layers" : "several stacks of layers"
          problems.add(
            recipe.error(
              at: source.position,
              "\(model.name) has \(found); slices need exactly one. Name the module under modules:."
            ))
          continue
        }
        if source.layers.upperBound > stack.layerCount {
          isFine = false
          problems.add(
            recipe.error(
              at: source.layersPosition,
              "The layer_range ends at \(source.layers.upperBound), but \(model.name) has"
                + " \(stack.layerCount) layers."))
        }
      }
    }
    return isFine
  }

  private func base(of slice: SliceEntry) -> Int? {
    (slice.base ?? recipe.base).flatMap { positions[$0.reference] }
  }

  private func stackPrefix(_ layout: ModelLayout, _ module: String?) -> String? {
    (module.map { layout.stacks(of: $0) } ?? layout.stacks).first?.prefix
  }

  private func layer(
    _ slice: SliceEntry, offset: Int, output: Int, depth: Double, _ module: String?,
    _ scope: [ParameterTable]
  ) -> [TensorAssignment] {
    guard let first = slice.sources.first, let lead = positions[first.reference],
      let prefix = stackPrefix(models[lead].layout, module)
    else { return [] }
    let layout = models[lead].layout
    let wanted = first.layers.lowerBound + offset
    let names = Self.ordered(models[lead].checkpoint.names, layout).filter {
      let position = layout.position(of: $0)
      return position.layer == wanted && position.stack == prefix
    }
    return names.compactMap { name in
      guard let renamed = layout.name(name, inLayer: output) else { return nil }
      let sources = slice.sources.compactMap { source -> TensorAssignment.Source? in
        guard let model = positions[source.reference],
          let own = layout.name(name, inLayer: source.layers.lowerBound + offset)
        else { return nil }
        return .init(
          model: model, name: models[model].source(of: own), parameters: source.parameters,
          position: source.position)
      }
      return TensorAssignment(
        name: renamed, sources: sources, base: base(of: slice), scope: [slice.parameters] + scope,
        layer: output, depth: depth, keptFrom: nil)
    }
  }

  private func ends(
    _ slices: [SliceEntry], _ module: String?, _ scope: [ParameterTable], isBefore: Bool
  ) -> [TensorAssignment] {
    guard let slice = isBefore ? slices.first : slices.last, let first = slice.sources.first,
      let lead = positions[first.reference]
    else { return [] }
    let members = slice.sources.compactMap { positions[$0.reference] }
    let layout = models[lead].layout
    let names = Self.ordered(models[lead].checkpoint.names, layout).filter { name in
      let position = layout.position(of: name)
      if let module, position.module != module { return false }
      return isBefore ? position.zone == .before : position.zone == .after
    }
    return names.compactMap { name in
      if isTiedEverywhere(name, members) { return nil }
      let sources = slice.sources.compactMap { source -> TensorAssignment.Source? in
        guard let model = positions[source.reference] else { return nil }
        return .init(
          model: model, name: models[model].source(of: name), parameters: source.parameters,
          position: source.position)
      }
      return TensorAssignment(
        name: name, sources: sources, base: base(of: slice), scope: [slice.parameters] + scope,
        layer: nil, depth: 0, keptFrom: nil)
    }
  }
}
