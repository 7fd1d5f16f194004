internal import TinctureMerging
internal import TinctureTensors

/// One attention of a model: how many heads it has, how wide they are, and how its tensors lie.
struct AttentionLayer: Sendable, Hashable {
  /// How positions come into queries and keys.
  enum Rotation: String, CaseIterable, Sendable {
    /// Not by rotations.
    case none
    /// Rotations of the elements i and i + width / 2.
    case half
    /// Rotations of neighbours.
    case interleaved
  }

  let heads: Int
  /// Heads of keys and values; each serves as many heads of queries.
  let groups: Int
  /// The rows of a head of queries and keys.
  let keyWidth: Int
  /// The rows of a head of values.
  let valueWidth: Int
  /// Whether queries or keys are normalised, so that nothing may come between them and their product.
  let isNormalized: Bool
  /// Whether weights are stored [in, out].
  let isInputMajor: Bool
  let rotation: Rotation
  /// How many of the first elements of a head are rotated.
  let rotatedWidth: Int

  /// Finds all attentions among the tensors of a plan.
  ///
  /// - Parameter steps: The steps.
  /// - Returns: The attentions by their paths.
  /// - Throws: `recipe` where the number of heads is missing or does not fit, `checkpoint` for a layout that is not
  ///   known.
  static func found(in steps: [MergeStep]) throws(TinctureError) -> [String: AttentionLayer] {
    var modules: [String: [AttentionPart.Role: MergeStep]] = [:]
    var inputMajor: Set<String> = []
    for step in steps {
      guard let part = AttentionPart(step.name), part.role == .normalization || !part.isBias else {
        continue
      }
      modules[part.module, default: [:]][part.role] = step
      if part.role == .fused, part.mayBeInputMajor, step.shape.rank == 2,
        step.shape.extents[1] > step.shape.extents[0]
      {
        inputMajor.insert(part.module)
      }
    }
    var layers: [String: AttentionLayer] = [:]
    for (module, parts) in modules {
      if let mixed = parts[.mixed] {
        throw TinctureError(
          .checkpoint,
          "Queries, keys and values are stored together head by head; only layouts with all queries first are"
            + " known.", at: .init(tensor: mixed.name))
      }
      guard let output = parts[.output], output.shape.rank == 2,
        parts[.fused] != nil || [.query, .key, .value].allSatisfy({ parts[$0] != nil })
      else { continue }
      layers[module] = try AttentionLayer(
        parts, output, isInputMajor: inputMajor.contains(module))
    }
    return layers
  }

  private init(
    _ parts: [AttentionPart.Role: MergeStep], _ output: MergeStep, isInputMajor: Bool
  ) throws(TinctureError) {
    let place = TinctureError.Place(tensor: output.name)
    let parameters = output.parameters
    let heads = parameters[MergeLock.heads]
    guard heads > 0 else {
      throw TinctureError(
        .recipe, "The number of attention heads is not known; give it by the parameter heads.",
        at: place)
    }
    func outputs(_ step: MergeStep) -> Int { step.shape.extents[isInputMajor ? 1 : 0] }
    let inner = output.shape.extents[isInputMajor ? 0 : 1]
    var objection = inner % heads == 0 ? nil : "the output takes \(inner) elements"
    let width = max(1, inner / heads)
    var keyWidth = width
    var groups = heads
    if let fused = parts[.fused] {
      let all = outputs(fused)
      if all % width != 0 || all / width < heads + 2 || (all / width - heads) % 2 != 0 {
        objection = "queries, keys and values have \(all) rows together"
      }
      groups = max(1, (all / width - heads) / 2)
    } else if let query = parts[.query], let key = parts[.key], let value = parts[.value] {
      keyWidth = max(1, outputs(query) / heads)
      groups = max(1, outputs(value) / width)
      if outputs(query) != keyWidth * heads {
        objection = "queries have \(outputs(query)) rows"
      } else if outputs(value) != groups * width || outputs(key) != groups * keyWidth {
        objection = "keys and values have \(outputs(key)) and \(outputs(value)) rows"
      }
    }
    if objection == nil, heads % groups != 0 {
      objection = "there are \(groups) heads of keys, which do not divide them"
    }
    let rotation = Rotation(rawValue: parameters[MergeLock.rotary]) ?? .none
    let rotated = parameters[MergeLock.rotaryWidth]
    let rotatedWidth = rotation == .none ? 0 : rotated > 0 ? rotated : keyWidth
    if objection == nil, rotatedWidth > keyWidth || rotatedWidth % 2 != 0 {
      objection = "\(rotatedWidth) elements of heads of \(keyWidth) cannot be rotated"
    }
    if let objection {
      throw TinctureError(.recipe, "\(heads) heads do not fit: \(objection).", at: place)
    }
    self.heads = heads
    self.groups = groups
    self.keyWidth = keyWidth
    valueWidth = width
    isNormalized = parts[.normalization] != nil
    self.isInputMajor = isInputMajor
    self.rotation = rotation
    self.rotatedWidth = rotatedWidth
  }
}
