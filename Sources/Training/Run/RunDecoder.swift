public import SystemPackage
internal import TinctureData
internal import TinctureEvaluation
internal import TinctureMerging
internal import TinctureNetworks
internal import TinctureRecipes
internal import TinctureSafetensors
public import TinctureTensors
internal import TinctureTorch

extension TrainingRun {
  /// Reads a run.
  ///
  /// - Parameter file: The YAML file; relative paths in it are meant from its folder.
  /// - Throws: `missingInput` when there is no such file, `recipe` with line and column for everything in it
  ///   that is wrong, at most twenty faults at a time.
  public init(reading file: FilePath) throws(TinctureError) {
    let bytes = try InputFile(opening: file).contents()
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw TinctureError(
        .recipe, "The run is not text in UTF-8; save it in that encoding.",
        at: .init(file: file.string))
    }
    try self.init(parsing: text, file: file)
  }

  /// Reads a run from its text.
  ///
  /// - Parameters:
  ///   - text: The YAML.
  ///   - file: The file's name, for messages and relative paths.
  /// - Throws: `recipe` with line and column for everything that is wrong.
  public init(parsing text: String, file: FilePath) throws(TinctureError) {
    let source = RecipeSource(name: file.string, text: text, noun: "run")
    var reader = YAMLReader(source)
    let documents = try reader.documents(text)
    guard let document = documents.first, documents.count == 1 else {
      throw source.error(at: nil, "A run is one YAML document; this file has \(documents.count).")
    }
    var decoder = RunDecoder(source)
    let run = decoder.run(document, file)
    try decoder.throwProblems()
    guard let run else { throw source.error(at: nil, "The run is empty.") }
    self = run
  }
}

/// Turns the YAML of a run into the run.
struct RunDecoder: YAMLDecoder {
  let source: RecipeSource
  var problems: [(position: SourcePosition, message: String)] = []

  init(_ source: RecipeSource) { self.source = source }

  private static let keys = [
    "name", "network", "input", "tokenizer", "length", "start", "head", "data", "loss", "optimizer",
    "schedule", "epochs", "steps", "batch_size", "test_batch_size", "augmentation", "precision",
    "seed", "ranks", "gradient_clip", "batch_norm_momentum", "freeze", "save_every", "out_dtype",
    "export",
  ]

  mutating func run(_ node: YAMLNode, _ file: FilePath) -> TrainingRun? {
    guard let members = members(of: node, keys: Self.keys, in: "the run") else { return nil }
    guard let networkNode = members["network"], let dataNode = members["data"] else {
      reportMissing(["network", "data"], of: members, "A run needs 'network' and 'data'.")
      return nil
    }
    let name = text(members["name"], "'name'")?.value ?? file.stem ?? "run"
    let described = described(networkNode, file)
    let data = trainingData(dataNode, name)
    guard let (network, configuration) = described, let data else { return nil }
    var run = TrainingRun(
      name: name, source: source, network: network, configuration: configuration, data: data)
    if let node = members["input"] {
      run.input = input(node, channels: (network as? any ImageEncoder)?.channels)
    }
    run.tokenizer = text(members["tokenizer"], "'tokenizer'")?.value
    run.length = integer(members["length"], "'length'", in: 1...1 << 24)?.value
    if let node = members["start"] { run.start = start(node) }
    if let node = members["head"] { run.head = trainingHead(node, name) }
    if let node = members["loss"] { loss(node, &run) }
    if let node = members["optimizer"] { run.optimizer = optimizer(node) }
    duration(members, &run)
    if let node = members["schedule"] { run.schedule = schedule(node, run.duration) }
    if let size = integer(members["batch_size"], "'batch_size'", in: 1...1 << 20) {
      run.batchSize = size.value
      run.testBatchSize = size.value
    }
    if let size = integer(members["test_batch_size"], "'test_batch_size'", in: 1...1 << 20) {
      run.testBatchSize = size.value
    }
    if let node = members["augmentation"] { run.augmentation = augmentation(node) }
    if let seed = integer(members["seed"], "'seed'", in: 0 ... .max) {
      run.seed = UInt64(seed.value)
    }
    if let node = members["gradient_clip"] {
      run.gradientClip = positive(node, "'gradient_clip'")
    }
    if let momentum = share(members["batch_norm_momentum"], "'batch_norm_momentum'") {
      run.normalizationMomentum = momentum
    }
    if let node = members["ranks"] { run.ranks = ranks(node) }
    if let node = members["freeze"] { run.frozen = names(node, "'freeze'") }
    run.saveInterval = integer(members["save_every"], "'save_every'", in: 1...1 << 30)?.value
    types(members, &run)
    if let node = members["export"] { export(node, &run) }
    return run
  }

  private mutating func types(_ members: YAMLMembers, _ run: inout TrainingRun) {
    if let node = members["precision"] {
      switch node.scalar?.text {
      case "f32"?: run.precision = .full
      case "bf16"?: run.precision = .bf16
      default:
        report(node.position, "'precision' is one of 'f32', 'bf16', but this is \(node.kind).")
      }
    }
    guard let node = members["out_dtype"] else { return }
    let known: [String: DType] = ["float32": .f32, "float16": .f16, "bfloat16": .bf16]
    if let dtype = node.scalar.flatMap({ known[$0.text] }) {
      run.outputType = dtype
    } else {
      report(
        node.position,
        "'out_dtype' is one of 'float32', 'float16', 'bfloat16', but this is \(node.kind).")
    }
  }

  /// `model`, or `adapter` to write an adapter of PEFT beside it.
  private mutating func export(_ node: YAMLNode, _ run: inout TrainingRun) {
    switch node.scalar?.text {
    case "model"?: run.exportsAdapter = false
    case "adapter"?: run.exportsAdapter = true
    default:
      report(node.position, "'export' is 'model' or 'adapter', but this is \(node.kind).")
      return
    }
    guard run.exportsAdapter else { return }
    guard case .listed(let schedule)? = run.ranks?.placement, schedule.phases.count == 1,
      case .adaptor = schedule.phases[0].mode
    else {
      report(
        node.position,
        "An adapter holds the changes of a run whose only mode is 'lora' or 'adaptor'; the weights that it"
          + " is for must be those of the start.")
      return
    }
    if run.start.model == nil {
      report(node.position, "An adapter needs a 'start' that is a model, for which it is.")
    }
  }

  /// The examples: what is learned from, and what is measured on.
  private mutating func trainingData(_ node: YAMLNode, _ name: String) -> TrainingData? {
    let keys = ["train", "test", "limit", "test_limit"]
    guard let members = members(of: node, keys: keys, in: "'data'") else { return nil }
    guard let trainNode = members["train"] else {
      reportMissing(["train"], of: members, "'data' needs 'train', and should have 'test'.")
      return nil
    }
    guard var training = data(trainNode, name) else { return nil }
    if !Self.says("part", trainNode) { training.part = "train" }
    let test = members["test"].flatMap { self.data($0, name) }
    return TrainingData(
      training: training, test: test,
      limit: integer(members["limit"], "'limit'", in: 1...1 << 40)?.value,
      testLimit: integer(members["test_limit"], "'test_limit'", in: 1...1 << 40)?.value)
  }

  private static func says(_ key: String, _ node: YAMLNode) -> Bool {
    node.mapping?.contains { $0.name == key && !$0.value.isNull } ?? false
  }

  /// `random`, a model, or a mapping with a model and what of it begins at random.
  private mutating func start(_ node: YAMLNode) -> TrainingStart {
    var start = TrainingStart()
    if node.mapping == nil {
      guard let word = text(node, "'start'") else { return start }
      if word.value != "random" { start.model = word.value }
      return start
    }
    guard let members = members(of: node, keys: ["model", "random"], in: "'start'") else {
      return start
    }
    guard let model = text(members["model"], "'model'") else {
      reportMissing(["model"], of: members, "'start' is 'random', a model, or has a 'model'.")
      return start
    }
    start.model = model.value
    if let node = members["random"] { start.random = names(node, "'random'") }
    return start
  }

  /// A head from a file, which stays as it is unless it is trained, or a new one, which is trained.
  private mutating func trainingHead(_ node: YAMLNode, _ name: String) -> TrainingHead? {
    let keys = ["file", "weight", "bias", "normalize_features", "classes", "train"]
    guard let members = members(of: node, keys: keys, in: "'head'") else { return nil }
    let trains = flag(members["train"], "'train'")
    if let classes = members["classes"] {
      for key in ["file", "weight", "bias", "normalize_features"] where members[key] != nil {
        report(members.position, "A head of 'classes' is new; remove '\(key)'.")
      }
      if trains == false {
        report(members.position, "A new head that is not trained says nothing; remove 'train'.")
      }
      let count = integer(classes, "'classes'", in: 2...1 << 20)?.value
      return TrainingHead(reference: nil, classCount: count ?? 2, isTrained: true)
    }
    guard let reference = head(members, name) else { return nil }
    return TrainingHead(reference: reference, classCount: nil, isTrained: trains ?? false)
  }

  /// One text or a list of them.
  private mutating func names(_ node: YAMLNode, _ what: String) -> [String] {
    (node.list ?? [node]).compactMap { text($0, what)?.value }
  }
}
