internal import TinctureTensors

extension Planner {
  /// The values of the method's parameters for one tensor; nil when something is missing or wrong.
  mutating func parameters(
    _ assignment: TensorAssignment, _ members: [TensorAssignment.Source]
  ) -> ResolvedParameters? {
    let shared = assignment.scope + [recipe.parameters]
    var resolved = ResolvedParameters()
    var isComplete = true
    for declaration in method.info.parameters {
      switch declaration.scope {
      case .merge:
        let scope = ParameterScope(shared)
        let found = scope.resolve(
          declaration.name, tensor: assignment.name, layer: assignment.layer,
          depth: assignment.depth)?.value
        if let value = found ?? preset[declaration.name] ?? declaration.defaultValue {
          resolved.merge[declaration.name] = value
        } else {
          isComplete = false
          reportMissing(declaration, at: recipe.method.position, nil)
        }
      case .model:
        var values: [ParameterValue] = []
        for member in members {
          let scope = ParameterScope([member.parameters] + shared)
          let found = scope.resolve(
            declaration.name, tensor: member.name ?? assignment.name, layer: assignment.layer,
            depth: assignment.depth)?.value
          if let value = found ?? preset[declaration.name] ?? declaration.defaultValue {
            values.append(value)
          } else {
            isComplete = false
            reportMissing(declaration, at: member.position, models[member.model].name)
          }
        }
        resolved.models[declaration.name] = values
      }
    }
    resolved.filters = filterParameters(assignment, modelCount: members.count)
    guard isComplete else { return nil }
    if let objection = method.objection(to: resolved, modelCount: members.count) {
      problems.add(
        recipe.error(at: recipe.method.position, "\(method.info.name): \(objection)."))
      return nil
    }
    return resolved
  }

  private mutating func reportMissing(
    _ declaration: ParameterDeclaration, at position: SourcePosition, _ model: String?
  ) {
    let target = model.map { " for \($0)" } ?? ""
    problems.add(
      recipe.error(
        at: position,
        "\(method.info.name) needs \(declaration.name)\(target): \(declaration.summary) Some tensors"
          + " have no value; give one without a filter."))
  }
}
