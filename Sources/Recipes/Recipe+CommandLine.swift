public import TinctureMerging
public import TinctureTensors

extension Recipe {
  /// Makes a recipe from the options of a command.
  ///
  /// The text of the recipe is the list of options, one to a line, so that errors show the option.
  ///
  /// - Parameters:
  ///   - commandLine: The options.
  ///   - exists: Tells whether a path of a model exists; by default asks the disk.
  /// - Throws: `usage` when an option is malformed; several faults are the causes of one error.
  public init(
    _ commandLine: CommandLineRecipe,
    exists: @escaping (String) -> Bool = ModelReference.isOnDisk
  ) throws(TinctureError) {
    let options = commandLine.options
    let lines = options.map { option in
      "\(option.name) " + String(option.value.map { $0.isNewline ? " " : $0 })
    }
    let text = lines.joined(separator: "\n")
    let source = RecipeSource(name: "command line", text: text, origin: .commandLine)
    var decoder = RecipeDecoder(source, exists: exists)
    var recipe = Recipe(
      method: Located(commandLine.method, at: SourcePosition(line: 1, column: 10)),
      inputs: .models([]), source: source)
    var entries: [ModelEntry] = []
    var settings: [CommandLineSetting] = []
    var statistics: [Located<String>] = []
    for (index, option) in options.enumerated() {
      let position = SourcePosition(line: index + 1, column: option.name.utf8.count + 2)
      if option.name == "--set" {
        if let setting = decoder.setting(option.value, at: position) { settings.append(setting) }
      } else if option.name == "--statistics" {
        statistics.append(Located(option.value, at: position))
      } else {
        decoder.read(option.name, option.value, at: position, into: &recipe, models: &entries)
      }
    }
    if entries.isEmpty, commandLine.models.isEmpty {
      decoder.report(
        SourcePosition(line: 1, column: 1), "There is nothing to merge; add '--model'.")
    }
    decoder.distribute(settings, to: &entries, and: &recipe.parameters)
    decoder.distribute(statistics, to: &entries, or: &recipe)
    recipe.inputs = .models(entries)
    try decoder.throwProblems()
    self = recipe
  }
}

/// A `--set` option, taken apart.
struct CommandLineSetting {
  var name: String
  var position: SourcePosition
  var values: [(setting: ParameterSetting, position: SourcePosition)]
}

extension RecipeDecoder {
  /// Reads one option other than `--set`.
  mutating func read(
    _ name: String, _ value: String, at position: SourcePosition, into recipe: inout Recipe,
    models: inout [ModelEntry]
  ) {
    let node = YAMLNode(
      content: .scalar(YAMLScalar(text: value, isPlain: false)), position: position)
    switch name {
    case "--model":
      guard let reference = model(node) else { return }
      if models.contains(where: { $0.reference == reference }) {
        report(position, "Model '\(reference)' is given twice.")
      }
      models.append(ModelEntry(reference: reference, position: position))
    case "--method": _ = text(node, "The method")
    case "--base": recipe.base = base(node)
    case "--preset": recipe.preset = text(node, "The preset")
    case "--dtype": recipe.dtype = dtype(node, isArithmetic: true)
    case "--out-dtype": recipe.outputDtype = dtype(node, isArithmetic: false)
    case "--chat-template": recipe.chatTemplate = text(node, "The chat template")
    case "--tokenizer-source": recipe.tokenizer = tokenizer(source: node)
    case "--data": recipe.data = learningData(node)
    case "--preprocess":
      if let step = filter(value, at: position, name) { recipe.preprocess.append(step) }
    case "--postprocess":
      if let step = filter(value, at: position, name) { recipe.postprocess.append(step) }
    case "--seed": recipe.seed = integer(node, "The seed", in: 0 ... .max)
    default: break
    }
  }

  /// Takes `KEY=VALUE` or `KEY=V1,V2,…` apart.
  mutating func setting(_ text: String, at position: SourcePosition) -> CommandLineSetting? {
    guard let mark = text.firstIndex(of: "="), mark > text.startIndex,
      !text.contains(where: \.isNewline)
    else {
      report(position, "'--set' needs KEY=VALUE, e.g. 'density=0.3'.")
      return nil
    }
    let name = String(text[..<mark])
    var setting = CommandLineSetting(name: name, position: position, values: [])
    for range in Self.items(of: text, after: mark) {
      let offset = text[..<range.lowerBound].unicodeScalars.count
      let place = SourcePosition(line: position.line, column: position.column + offset)
      guard let value = self.setting(String(text[range]), at: place, of: name) else { return nil }
      setting.values.append((value, place))
    }
    return setting
  }

  /// Reads one value as YAML of one line, standing where it stands among the options.
  private mutating func setting(
    _ value: String, at place: SourcePosition, of name: String
  ) -> ParameterSetting? {
    let what = "The parameter '\(Self.shortened(name))'"
    return node(value, at: place, what).flatMap { setting($0, what) }
  }

  /// Reads a step before or after the method.
  private mutating func filter(
    _ value: String, at place: SourcePosition, _ option: String
  ) -> FilterEntry? {
    node(value, at: place, "'\(option)'").flatMap { filter($0, "'\(option)'") }
  }

  private mutating func node(
    _ value: String, at place: SourcePosition, _ what: String
  ) -> YAMLNode? {
    let lines = String(repeating: "\n", count: place.line - 1)
    let indent = String(repeating: " ", count: place.column - 1)
    var reader = YAMLReader(source)
    do throws(TinctureError) {
      let node = try reader.documents(lines + indent + value).first
      if node == nil { report(place, "\(what) has no value.") }
      return node
    } catch {
      report(place, "\(what): \(error.message)")
      return nil
    }
  }

  /// The parts between the commas that stand outside brackets and quotes.
  private static func items(of text: String, after mark: String.Index) -> [Range<String.Index>] {
    var start = text.index(after: mark)
    var ranges: [Range<String.Index>] = []
    var depth = 0
    var quote: Character?
    for index in text[start...].indices {
      let letter = text[index]
      if let open = quote {
        if letter == open { quote = nil }
      } else {
        switch letter {
        case "\"", "'": quote = letter
        case "[", "{": depth += 1
        case "]", "}": depth -= 1
        case "," where depth == 0:
          ranges.append(start..<index)
          start = text.index(after: index)
        default: break
        }
      }
    }
    return ranges + [start..<text.endIndex]
  }

  /// Gives one file of statistics to the recipe, or one to each model.
  mutating func distribute(
    _ statistics: [Located<String>], to models: inout [ModelEntry], or recipe: inout Recipe
  ) {
    if statistics.count == models.count {
      for index in models.indices { models[index].statistics = statistics[index] }
    } else if statistics.count == 1 {
      recipe.statistics = statistics[0]
    } else if let last = statistics.last {
      report(
        last.position,
        "There are \(statistics.count) files of statistics for \(models.count) models; name one of all"
          + " or one for each.")
    }
  }

  /// Gives single values to the recipe and lists of values to the models.
  mutating func distribute(
    _ settings: [CommandLineSetting], to models: inout [ModelEntry],
    and parameters: inout ParameterTable
  ) {
    var names: Set<String> = []
    for setting in settings {
      guard names.insert(setting.name).inserted else {
        report(setting.position, "The parameter '\(setting.name)' is set twice.")
        continue
      }
      func entry(_ index: Int) -> ParameterTable.Entry {
        ParameterTable.Entry(
          name: setting.name, setting: setting.values[index].setting, position: setting.position,
          settingPosition: setting.values[index].position)
      }
      if setting.values.count == 1 {
        parameters.entries.append(entry(0))
      } else if setting.values.count == models.count {
        for index in models.indices { models[index].parameters.entries.append(entry(index)) }
      } else {
        report(
          setting.position,
          "The parameter '\(setting.name)' has \(setting.values.count) values for "
            + "\(models.count) models; write one value for all or one for each.")
      }
    }
  }
}
