extension Recipe {
  /// Every model that takes part in the merge: the base, the bases of slices and all inputs.
  ///
  /// They stand in the order in which the recipe first names them, each once. The base is first
  /// only when it is named first.
  ///
  /// - Complexity: O(n log n) in the number of places that name a model.
  public var mergedModels: [ModelReference] {
    Self.ordered(baseMentions + Self.mentions(inputs))
  }

  /// Every model that the recipe names, also those that give only tokens or kept tensors.
  ///
  /// They stand in the order in which the recipe first names them, each once.
  ///
  /// - Complexity: O(n log n) in the number of places that name a model.
  public var referencedModels: [ModelReference] {
    Self.ordered(baseMentions + Self.mentions(inputs) + tokenizerMentions + keepMentions)
  }

  /// The models that are merged, in the order in which the inputs first name them, each once.
  ///
  /// - Parameter withoutBase: Whether the base is left out.
  /// - Returns: The models.
  /// - Complexity: O(n log n) in the number of places that name a model.
  public func inputModels(withoutBase: Bool) -> [ModelReference] {
    let models = Self.ordered(Self.mentions(inputs))
    return withoutBase ? models.filter { $0 != base?.reference } : models
  }

  /// The files of statistics that stand beside a model, wherever the inputs name it.
  public func statistics(of model: ModelReference) -> [Located<String>] {
    Self.statistics(of: model, inputs)
  }

  private static func statistics(
    of model: ModelReference, _ inputs: RecipeInputs
  ) -> [Located<String>] {
    switch inputs {
    case .models(let entries):
      entries.filter { $0.reference == model }.compactMap(\.statistics)
    case .slices(let slices):
      slices.flatMap(\.sources).filter { $0.reference == model }.compactMap(\.statistics)
    case .modules(let modules): modules.flatMap { statistics(of: model, $0.inputs) }
    }
  }

  /// The same recipe with files of statistics beside its models.
  ///
  /// - Parameter files: The file of each model.
  /// - Returns: A recipe without a section `data`; models without a file are as they were.
  package func measured(_ files: [ModelReference: String]) -> Recipe {
    var other = self
    other.data = nil
    other.inputs = Self.measured(inputs, files, at: data?.position ?? method.position)
    return other
  }

  /// The same recipe with values of a parameter beside its models.
  ///
  /// - Parameters:
  ///   - values: The value of each model.
  ///   - parameter: The name of the parameter.
  /// - Returns: A recipe without a section `data`; models without a value are as they were.
  package func validated(_ values: [ModelReference: Double], of parameter: String) -> Recipe {
    var other = self
    let position = data?.position ?? method.position
    other.data = nil
    guard case .models(var entries) = inputs else { return other }
    for index in entries.indices {
      guard let value = values[entries[index].reference] else { continue }
      entries[index].parameters.entries.append(
        .init(
          name: parameter, setting: .value(.number(value)), position: position,
          settingPosition: position))
    }
    other.inputs = .models(entries)
    return other
  }

  private static func measured(
    _ inputs: RecipeInputs, _ files: [ModelReference: String], at position: SourcePosition
  ) -> RecipeInputs {
    func place(_ model: ModelReference, _ known: Located<String>?) -> Located<String>? {
      files[model].map { Located($0, at: position) } ?? known
    }
    switch inputs {
    case .models(var entries):
      for index in entries.indices {
        entries[index].statistics = place(entries[index].reference, entries[index].statistics)
      }
      return .models(entries)
    case .slices(var slices):
      for slice in slices.indices {
        for index in slices[slice].sources.indices {
          let source = slices[slice].sources[index]
          slices[slice].sources[index].statistics = place(source.reference, source.statistics)
        }
      }
      return .slices(slices)
    case .modules(var modules):
      for index in modules.indices {
        modules[index].inputs = measured(modules[index].inputs, files, at: position)
      }
      return .modules(modules)
    }
  }

  private typealias Mention = (reference: ModelReference, position: SourcePosition)

  private var baseMentions: [Mention] { base.map { [($0.reference, $0.position)] } ?? [] }

  private var keepMentions: [Mention] {
    keep.compactMap { rule in rule.reference.map { ($0, rule.position) } }
  }

  private var tokenizerMentions: [Mention] {
    guard let tokenizer else { return [] }
    var mentions: [Mention] = []
    if case .model(let reference) = tokenizer.source {
      mentions.append((reference, tokenizer.position))
    }
    for rule in tokenizer.rules {
      switch rule.source {
      case .model(let reference), .token(_, let reference), .tokenID(_, let reference):
        mentions.append((reference, rule.position))
      case .zero, nil: break
      }
    }
    return mentions
  }

  private static func mentions(_ inputs: RecipeInputs) -> [Mention] {
    switch inputs {
    case .models(let entries): entries.map { ($0.reference, $0.position) }
    case .slices(let slices):
      slices.flatMap { slice in
        slice.sources.map { ($0.reference, $0.position) }
          + (slice.base.map { [($0.reference, $0.position)] } ?? [])
      }
    case .modules(let modules): modules.flatMap { mentions($0.inputs) }
    }
  }

  /// Sorts by position, keeping the given order for equal places, and drops repetitions.
  private static func ordered(_ mentions: [Mention]) -> [ModelReference] {
    var seen: Set<ModelReference> = []
    return mentions.enumerated()
      .sorted { ($0.element.position, $0.offset) < ($1.element.position, $1.offset) }
      .map(\.element.reference)
      .filter { seen.insert($0).inserted }
  }
}
