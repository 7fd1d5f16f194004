import ArgumentParser
import SystemPackage
import Tincture
import TinctureReports

struct InspectCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect",
    abstract: "Show what a model holds.",
    discussion: """
      Names, types, shapes and sizes come from the headers; --norms, --check, \
      --spectra and --histogram read the tensors.

      EXAMPLE
        tincture inspect model --filter mlp --norms
        tincture inspect model --spectra --workers 4
        tincture inspect model --histogram --summary
      """)

  @Argument(help: "A file, a directory, or the name of a model in the hub's cache.")
  var model: String

  @Option(help: "Only tensors whose name contains this.")
  var filter: String?

  @Flag(help: "Read the tensors and show their norms and largest magnitudes.")
  var norms = false

  @Flag(
    help:
      "Read the tensors and count elements that are not finite; exit status 65 when there are any.")
  var check = false

  @Flag(
    help:
      "Find the singular values of matrices and convolutions: decay, effective, stable and numerical rank; needs BLAS."
  )
  var spectra = false

  @Flag(help: "Show how the elements of the tensors and of the model are distributed.")
  var histogram = false

  @Option(help: "How many intervals a histogram has.")
  var bins = 24

  @Option(
    help: ArgumentHelp(
      "Write the histograms as a page; it needs nothing but a browser.", valueName: "file"))
  var html: String?

  @Flag(help: "Replace a page that exists.")
  var force = false

  @Flag(help: "Show only the summary.")
  var summary = false

  @OptionGroup(title: "Resources") var resources: ResourceOptions
  @OptionGroup(title: "Display") var display: DisplayOptions

  func validate() throws {
    if bins < 2 || bins > 200 { throw ValidationError("--bins must be between 2 and 200.") }
    if html != nil, !histogram {
      throw ValidationError("--html shows histograms; add --histogram.")
    }
    if force, html == nil { throw ValidationError("--force replaces a page; add --html.") }
  }

  func run() async throws {
    try await Console.reporting { () async throws(TinctureError) in
      if let html {
        try CheckpointWriter.checkVacant(FilePath(html), policy: .init(replace: force))
      }
      let input = try ModelInput(
        opening: ModelReference(parsing: model), locator: ModelLocator())
      let parts = try taskParts(of: input)
      let mixture = try MixtureView(input)
      let masks = try MasksView(input)
      var findings: [TensorFinding] = []
      for name in input.checkpoint.names {
        if let filter, !name.contains(filter) { continue }
        guard let reader = try input.reader(name) else { continue }
        let byteCount = input.checkpoint[name]?.tensor.byteCount ?? 0
        findings.append(
          try TensorFinding(name, reader, byteCount: byteCount, reads: norms || check))
      }
      if spectra {
        for finding in try await foundSpectra(of: findings) {
          guard let index = findings.firstIndex(where: { $0.name == finding.name }) else {
            continue
          }
          findings[index].spectrum = finding.spectrum
        }
      }
      let distribution =
        histogram && !findings.isEmpty ? DistributionView(try await foundDistributions()) : nil
      if findings.isEmpty, let filter {
        Console.remark("note: no tensor has a name that contains \"\(filter)\".")
      }
      if display.json {
        Console.result(json(input, findings, parts, mixture, masks, distribution).text())
      } else {
        show(input, findings, parts, mixture, masks, distribution)
      }
      if let html, let distribution {
        let path = FilePath(html)
        let bytes = try PageFile.write(
          distribution.page(of: model, tensors: findings.map(\.name)), to: path, replaces: force,
          keeping: [])
        if !display.json { Console.result("\(path): \(NumberText.bytes(bytes))") }
      }
      let faulty = findings.filter { ($0.nonFinite ?? 0) > 0 }
      if check, !faulty.isEmpty {
        throw TinctureError(
          .checkpoint,
          "\(faulty.count) tensor\(faulty.count == 1 ? " holds" : "s hold") elements that are not finite: "
            + faulty.prefix(20).map { "\($0.name) (\($0.nonFinite ?? 0))" }.joined(separator: ", ")
            + ".", at: .init(file: input.checkpoint.path.string))
      }
    }
  }

  /// The singular values, found by as many workers as are wanted.
  private func foundSpectra(
    of findings: [TensorFinding]
  ) async throws(TinctureError) -> [SpectrumSurvey.Finding] {
    guard !findings.isEmpty else { return [] }
    Signals.install()
    let job = SpectrumJob(model: model, filter: filter, engine: resources.engine)
    let plan = try job.plan()
    let progress = SurveyProgress(plan, isQuiet: display.quiet)
    defer { progress.close() }
    return try await job.run(plan, interruption: Signals.interruption) { progress.hear($0) }
  }

  /// The distributions, found by as many workers as are wanted.
  private func foundDistributions() async throws(TinctureError)
    -> (model: WeightDistribution, tensors: [WeightDistribution])
  {
    Signals.install()
    let job = DistributionJob(
      model: model, bins: bins, filter: filter, engine: resources.engine)
    let plan = try job.plan()
    let progress = SurveyProgress(plan, isQuiet: display.quiet, passes: 2)
    defer { progress.close() }
    return try await job.run(plan, interruption: Signals.interruption) { progress.hear($0) }
  }

  private func show(
    _ input: ModelInput, _ findings: [TensorFinding], _ parts: TaskParts?, _ mixture: MixtureView?,
    _ masks: MasksView?,
    _ distribution: DistributionView?
  ) {
    if !summary {
      var header = ["tensor", "dtype", "shape", "size"]
      if norms { header += ["norm", "largest"] }
      if check { header.append("not finite") }
      if spectra { header += ["σ₁", "effective", "stable", "numerical", "90 %", "99 %", "decay"] }
      let left = spectra ? [header.count - 1] : []
      var numbers = Set(3..<max(4, header.count)).subtracting(left)
      if distribution != nil {
        numbers.formUnion(header.count..<header.count + DistributionView.header.count - 1)
        header += DistributionView.header
      }
      var table = Table(header, alignRight: numbers)
      for finding in findings {
        var row = [
          finding.name, finding.dtype.rawValue, finding.shape.description,
          ByteSize.text(finding.byteCount),
        ]
        if norms { row += [Self.number(finding.norm), Self.number(finding.largest)] }
        if check { row.append(finding.nonFinite.map(String.init) ?? "–") }
        if spectra { row += Self.cells(finding.spectrum) }
        if let distribution { row += distribution.cells(finding.name) }
        table.add(row)
      }
      Console.result(table.text)
      Console.result("")
    }
    if let distribution { Console.result(distribution.text + "\n") }
    let elements = findings.reduce(0) { $0 + $1.shape.elementCount }
    let bytes = findings.reduce(0) { $0 + $1.byteCount }
    var types: [String: Int] = [:]
    for finding in findings {
      types[finding.dtype.rawValue, default: 0] += finding.shape.elementCount
    }
    let mix = types.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(
      separator: ", ")
    Console.result(
      "\(findings.count) tensors, \(elements) elements (\(mix)), \(ByteSize.text(bytes))")
    if check, findings.allSatisfy({ ($0.nonFinite ?? 0) == 0 }) {
      let unread = findings.count { $0.nonFinite == nil }
      Console.result(
        "no element is infinite or not a number"
          + (unread > 0 ? "; \(unread) tensors hold no floating-point numbers that are read" : ""))
    }
    if let configuration = input.configuration {
      let kind = configuration.architectures.first ?? configuration.modelType ?? "unknown"
      Console.result("architecture \(kind)")
    }
    if let parts { Console.result(Self.text(parts)) }
    if let mixture { Console.result(mixture.text) }
    if let masks { Console.result(masks.text) }
    for stack in input.layout.stacks {
      Console.result("\(stack.layerCount) layers under \(stack.prefix) (module \(stack.module))")
    }
  }

  private static func cells(_ spectrum: SpectrumSummary?) -> [String] {
    guard let spectrum else { return ["–", "–", "–", "–", "–", "–", ""] }
    let decay = spectrum.decay.dropFirst().map {
      "\($0.index): \(NumberText.significant($0.share, 2))"
    }
    return [
      NumberText.significant(spectrum.largest, 3), NumberText.decimal(spectrum.effectiveRank, 1),
      NumberText.decimal(spectrum.stableRank, 1), "\(spectrum.numericalRank)",
      "\(spectrum.rank90)", "\(spectrum.rank99)",
      decay.joined(separator: "  "),
    ]
  }

  private static func number(_ value: Double?) -> String {
    guard let value else { return "–" }
    return value != 0 && (value.magnitude < 1e-3 || value.magnitude >= 1e6)
      ? String(Float(value)) : ByteSize.decimal(value, 4)
  }

  /// What the model has for single tasks, unless one of them was asked for.
  private func taskParts(of input: ModelInput) throws(TinctureError) -> TaskParts? {
    guard input.reference.expert == nil, let directory = input.checkpoint.directory,
      let path = TaskParts.path(in: directory)
    else { return nil }
    return try TaskParts(opening: path)
  }

  private static func text(_ parts: TaskParts) -> String {
    let tasks = parts.tasks.map { task in
      let roles = task.tensors.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value.shape)" }
      return "  \(task.name): \(roles.joined(separator: ", "))"
    }
    let count = parts.tasks.count
    return (["parts of \(count) task\(count == 1 ? "" : "s") by \(parts.method)"] + tasks)
      .joined(separator: "\n")
  }

  private static func json(_ parts: TaskParts) -> JSONValue {
    let tasks = parts.tasks.map { task in
      let tensors = task.tensors.sorted { $0.key < $1.key }.map { role, tensor in
        (role, JSONValue.array(tensor.shape.extents.map { .integer($0) }))
      }
      return (task.name, JSONValue.object(JSONObject(tensors)))
    }
    return .object(
      JSONObject([("method", .string(parts.method)), ("tasks", .object(JSONObject(tasks)))]))
  }

  private func json(
    _ input: ModelInput, _ findings: [TensorFinding], _ parts: TaskParts?, _ mixture: MixtureView?,
    _ masks: MasksView?,
    _ distribution: DistributionView?
  ) -> JSONValue {
    func number(_ value: Double?) -> JSONValue { value.map { .number(String($0)) } ?? .null }
    return .object(
      JSONObject([
        ("path", .string(input.checkpoint.path.string)),
        ("distribution", distribution?.model.json ?? .null),
        ("task_parts", parts.map(Self.json) ?? .null), ("mixture", mixture?.json ?? .null),
        ("masks", masks?.json ?? .null),
        ("architecture", input.configuration?.architectures.first.map { .string($0) } ?? .null),
        (
          "tensors",
          .array(
            findings.map { finding in
              .object(
                JSONObject([
                  ("name", .string(finding.name)), ("dtype", .string(finding.dtype.rawValue)),
                  ("shape", .array(finding.shape.extents.map { .integer($0) })),
                  ("bytes", .integer(finding.byteCount)), ("norm", number(finding.norm)),
                  ("largest", number(finding.largest)),
                  ("not_finite", finding.nonFinite.map { .integer($0) } ?? .null),
                  ("spectrum", finding.spectrum?.json ?? .null),
                  ("distribution", distribution?.tensors[finding.name]?.json ?? .null),
                ]))
            })
        ),
      ]))
  }
}

/// What is known about one tensor of a model.
private struct TensorFinding {
  let name: String
  let dtype: DType
  let shape: Shape
  let byteCount: Int
  var norm: Double?
  var largest: Double?
  var nonFinite: Int?
  var spectrum: SpectrumSummary?

  init(_ name: String, _ reader: any TensorReader, byteCount: Int, reads: Bool)
    throws(TinctureError)
  {
    self.name = name
    dtype = reader.dtype
    shape = reader.shape
    self.byteCount = byteCount
    guard reads, dtype.isArithmetic else { return }
    let window = ReadWindow(byteCount: 1 << 20)
    var values = ContiguousArray<Float>(repeating: 0, count: 1 << 14)
    var (squares, top, bad) = (0.0, Float(0), 0)
    var start = 0
    while start < shape.elementCount {
      let count = min(values.count, shape.elementCount - start)
      var span = values.mutableSpan
      var part = span._mutatingExtracting(0..<count)
      let peak = try reader.read(start..<start + count, into: &part, window: window)
      if peak >= 0x7f80_0000 {
        for index in 0..<count where !part[index].isFinite {
          bad += 1
          part[index] = 0
        }
      }
      Kernels.addDot(part.span, part.span, to: &squares)
      for index in 0..<count { top = max(top, part[index].magnitude) }
      start += count
    }
    norm = squares.squareRoot()
    largest = Double(top)
    nonFinite = bad
  }
}
