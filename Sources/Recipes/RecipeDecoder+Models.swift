import TinctureMerging
import TinctureTensors

extension RecipeDecoder {
  /// The model under the key `model` and where it stands.
  mutating func namedModel(
    _ members: YAMLMembers, in place: String
  ) -> (reference: ModelReference, position: SourcePosition)? {
    guard let node = members["model"] else {
      reportMissing(["model"], of: members, "There is no 'model' in \(place).")
      return nil
    }
    return model(node).map { ($0, node.position) }
  }

  /// A model, as a text or as a mapping of its parts.
  mutating func model(_ node: YAMLNode) -> ModelReference? {
    switch node.content {
    case .scalar(let scalar): return model(scalar, at: node.position)
    case .mapping: return model(mapping: node)
    case .list:
      report(node.position, "One model is named here, but this is a list.")
      return nil
    }
  }

  private mutating func model(
    _ scalar: YAMLScalar, at position: SourcePosition
  ) -> ModelReference? {
    guard !scalar.isNull else {
      report(position, "The name of a model is missing.")
      return nil
    }
    do throws(TinctureError) {
      return try ModelReference(parsing: scalar.text, exists: exists)
    } catch {
      report(position, error.message)
      return nil
    }
  }

  /// The long form: `{model: …, lora: …, override_architecture: …}`.
  private mutating func model(mapping node: YAMLNode) -> ModelReference? {
    let place = "a model reference"
    let keys = ["model", "lora", "override_architecture", "path", "revision"]
    guard let members = members(of: node, keys: keys, in: place) else { return nil }
    let architecture = text(members["override_architecture"], "The architecture")?.value
    let adapter = members["lora"].flatMap { repository($0) }
    var reference: ModelReference?
    if members["path"] != nil {
      reference = repository(members).map { ModelReference(path: $0.path, revision: $0.revision) }
    } else if let node = members["model"] {
      if node.scalar != nil {
        reference = model(node)
      } else {
        reference = repository(node).map { ModelReference(path: $0.path, revision: $0.revision) }
      }
    } else {
      reportMissing(["model", "path"], of: members, "There is no 'model' in \(place).")
    }
    reference?.overrideArchitecture = architecture
    if let adapter {
      if reference?.adapter != nil {
        report(node.position, "The model has an adapter both after its '+' and under 'lora'.")
      }
      reference?.adapter = adapter
    }
    return reference
  }

  /// A path with a revision, as a text or as `{path: …, revision: …}`.
  private mutating func repository(_ node: YAMLNode) -> ModelReference.Adapter? {
    if node.scalar != nil {
      guard let reference = model(node) else { return nil }
      guard reference.adapter == nil, reference.expert == nil else {
        report(node.position, "'\(reference)' must be a path with or without a revision.")
        return nil
      }
      return ModelReference.Adapter(path: reference.path, revision: reference.revision)
    }
    return members(of: node, keys: ["path", "revision"], in: "a path").flatMap { repository($0) }
  }

  private mutating func repository(_ members: YAMLMembers) -> ModelReference.Adapter? {
    guard let path = text(members["path"], "The path") else {
      if members["path"] == nil {
        reportMissing(["path"], of: members, "There is no 'path' here.")
      }
      return nil
    }
    let revision = text(members["revision"], "The revision")?.value
    return ModelReference.Adapter(path: path.value, revision: revision)
  }
}
