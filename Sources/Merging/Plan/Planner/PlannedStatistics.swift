internal import SystemPackage
internal import TinctureCheckpoints
internal import TinctureSafetensors
internal import TinctureTensors

/// The statistics that a recipe names, opened, and what is wrong with them.
struct PlannedStatistics {
  /// Where the statistics of a model are.
  struct Source {
    let file: StatisticsFile
    /// What stands before the names of this model.
    let prefix: String
    /// Where the recipe names the file.
    let position: SourcePosition
  }

  /// What is needed.
  let kind: StatisticsKind
  private let models: [ModelReference]
  private var sources: [ModelReference: Source] = [:]
  private var lacking: [ModelReference: [String]] = [:]
  private var misfits: [(model: ModelReference, message: String, tensor: String)] = []
  private var coveredTensors = 0
  private var otherTensors = 0
  private let isPending: Bool

  /// Opens the files of a recipe.
  ///
  /// - Parameters:
  ///   - kind: What the method needs.
  ///   - method: The method.
  ///   - recipe: The recipe.
  ///   - problems: Receives what is wrong with the files.
  init(
    _ kind: StatisticsKind, for method: MethodInfo, of recipe: Recipe,
    _ problems: inout ProblemList
  ) {
    self.kind = kind
    models = recipe.inputModels(withoutBase: method.separatesBase)
    isPending = recipe.data != nil
    var opened: [String: StatisticsFile] = [:]
    for (number, model) in models.enumerated() {
      let own = recipe.statistics(of: model).first
      guard let place = own ?? recipe.statistics else { continue }
      do throws(TinctureError) {
        let file: StatisticsFile
        if let known = opened[place.value] {
          file = known
        } else {
          file = try StatisticsFile(
            opening: place.value, folder: recipe.source.folder, expecting: kind)
          opened[place.value] = file
        }
        sources[model] = Source(
          file: file, prefix: own == nil ? "\(kind.rawValue)\(number)." : "",
          position: place.position)
      } catch {
        var problem = recipe.error(at: place.position, "The statistics cannot be used.")
        if recipe.source.origin == .file { problem.code = error.code }
        problem.causes = [error]
        problems.add(problem)
      }
    }
  }

  /// Finds the statistics of a tensor for all its models.
  ///
  /// - Parameters:
  ///   - members: The models, with the name of the tensor in each and for messages.
  ///   - shape: The extents of the tensor.
  /// - Returns: As many as there are models, or none: then the tensor is merged without.
  mutating func inputs(
    _ members: [(model: ModelReference, tensor: String)], _ shape: Shape
  ) -> [StatisticsInput] {
    var found: [StatisticsInput?] = []
    for (model, tensor) in members {
      guard let source = sources[model],
        let (entry, isMarked) = source.file.entry(tensor, prefix: source.prefix)
      else {
        found.append(nil)
        continue
      }
      if let objection = objection(to: entry.tensor.shape, dtype: entry.tensor.dtype, for: shape) {
        misfits.append((model, objection, tensor))
        found.append(nil)
        continue
      }
      let reader = StoredTensorReader(entry.tensor, in: entry.file, model: model.description)
      let mean = source.file.mean(of: tensor, prefix: source.prefix).map {
        StoredTensorReader($0.tensor, in: $0.file, model: model.description)
      }
      found.append(
        StatisticsInput(
          reader, isInputMajor: isMarked || isInputMajor(entry.tensor.shape, shape), mean: mean))
    }
    let complete = found.compactMap(\.self)
    guard complete.count != members.count else {
      coveredTensors += 1
      return complete
    }
    otherTensors += 1
    guard !complete.isEmpty else { return [] }
    for (index, member) in members.enumerated() where found[index] == nil {
      if misfits.contains(where: { $0.model == member.model && $0.tensor == member.tensor }) {
        continue
      }
      lacking[member.model, default: []].append(member.tensor)
    }
    return []
  }

  /// Why statistics do not fit a tensor; nil when they do.
  private func objection(to found: Shape, dtype: DType, for shape: Shape) -> String? {
    guard dtype.isArithmetic else { return "has elements \(dtype.rawValue), which are no numbers" }
    let wanted: [[Int]]
    if kind.isElementwise || shape.rank < 2 {
      wanted = [shape.extents]
    } else if shape.rank == 2 {
      wanted = [shape.extents[1], shape.extents[0]].map { [$0, $0] }
    } else {
      let inputs = shape.elementCount / max(1, shape.extents[0])
      wanted = [[inputs, inputs]]
    }
    guard !wanted.contains(found.extents) else { return nil }
    return "has the shape \(found), but the tensor \(shape) needs \(wanted[0])"
  }

  private func isInputMajor(_ found: Shape, _ shape: Shape) -> Bool {
    !kind.isElementwise && shape.rank == 2 && found.extents[0] != shape.extents[1]
  }

  /// Reports what was found wrong, model by model.
  func report(_ recipe: Recipe, to problems: inout ProblemList) {
    for model in models {
      guard let source = sources[model] else { continue }
      for misfit in misfits where misfit.model == model {
        problems.add(
          recipe.error(
            at: source.position,
            "The \(kind.title) of \(misfit.tensor) for \(model) \(misfit.message)."))
      }
      if let names = lacking[model] {
        problems.add(
          recipe.error(
            at: source.position,
            "The statistics of \(model) lack what other models have of \(names.count)"
              + " tensor\(names.count == 1 ? "" : "s"): \(NameList.text(names))."))
      }
    }
    if coveredTensors == 0, misfits.isEmpty, let first = models.first,
      let source = sources[first]
    {
      let names =
        source.prefix.isEmpty ? "the names of the model" : "names such as \(source.prefix)NAME"
      problems.add(
        recipe.error(
          at: source.position,
          "There are no statistics of any tensor that is merged; the file must have \(names)."))
    }
  }

  /// The opened files.
  var files: [FilePath] { sources.values.flatMap { $0.file.checkpoint.files.map(\.path) } }

  /// What a plan says about them.
  var note: String? {
    if isPending {
      return
        "The \(kind.measured.plural) of \(models.count) models are measured first, on the examples of 'data'."
    }
    return otherTensors == 0
      ? nil : "\(coveredTensors) of \(coveredTensors + otherTensors) tensors have statistics."
  }
}

extension Planner {
  /// The statistics of a tensor for the models that are merged; none when it has none.
  mutating func statistics(
    _ merged: [(source: TensorAssignment.Source, reader: any TensorReader)], _ shape: Shape
  ) -> [StatisticsInput] {
    let members = merged.map { item in
      (model: models[item.source.model].reference, tensor: item.source.name ?? "")
    }
    return plannedStatistics?.inputs(members, shape) ?? []
  }

  /// What a merge by statistics is to measure first: the kind and the models.
  package var measurement: (kind: StatisticsKind, models: [ModelInput])? {
    guard let kind = method.info.statistics, recipe.data != nil else { return nil }
    let references = recipe.inputModels(withoutBase: method.info.separatesBase)
    return (kind, references.compactMap { positions[$0].map { models[$0] } })
  }

  /// What the recipe or its preset says for all tensors about a parameter, else its default.
  package func value(of parameter: String) -> ParameterValue? {
    let found = ParameterScope([recipe.parameters]).resolve(
      parameter, tensor: "", layer: nil, depth: 0)?.value
    return found ?? preset[parameter]
      ?? method.info.parameters.first { $0.name == parameter }?.defaultValue
  }

  /// Says of a recipe whether models lack statistics that the method needs.
  static func checkStatistics(
    _ recipe: Recipe, _ method: MethodInfo, _ problems: inout ProblemList, _ notes: inout [String]
  ) {
    let models = recipe.inputModels(withoutBase: method.separatesBase)
    guard let kind = method.statistics else {
      let mentions = models.flatMap { recipe.statistics(of: $0) }
      for mention in (recipe.statistics.map { [$0] } ?? []) + mentions {
        notes.append(
          "line \(mention.position.line): statistics have no effect with \(method.name).")
      }
      return
    }
    for model in models {
      let own = recipe.statistics(of: model)
      if let first = own.first, let other = own.first(where: { $0.value != first.value }) {
        problems.add(
          recipe.error(
            at: other.position,
            "\(model) has other statistics here than on line \(first.position.line)."))
      }
    }
    let without = models.filter {
      recipe.statistics == nil && recipe.statistics(of: $0).isEmpty
    }
    if let data = recipe.data {
      guard without.count < models.count else { return }
      problems.add(
        recipe.error(
          at: data.position,
          "The recipe names statistics, and by 'data' what to measure them on; remove one of them.")
      )
      return
    }
    guard !without.isEmpty else { return }
    problems.add(
      recipe.error(
        at: recipe.method.position,
        "\(method.name) needs the \(kind.plural) of \(NameList.text(without.map(\.description)))."
          + " \(kind.advice) and name the file by statistics:"
          + " beside each model, or one file of all models by statistics: of the recipe"
          + "; or name a suite by 'data', on whose examples they are measured."))
  }
}
