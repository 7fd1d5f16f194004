import ArgumentParser
import SystemPackage
import Tincture

struct LoraPackCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "pack",
    abstract: "Put several adapters into one small file from which each can be taken again.",
    discussion: """
      Reversible merging: at every position of the factors the mean of all adapters is \
      stored, a few directions, and for each adapter its coefficients. As many \
      directions as adapters but one lose nothing.

      EXAMPLE
        tincture lora pack cars=cars-lora sun=sun-lora dtd=dtd-lora --components 1 -o all.safetensors
        tincture lora unpack all.safetensors --adapter cars -o cars-again
      """)

  @Argument(help: ArgumentHelp("The adapters.", valueName: "name=adapter"))
  var adapters: [NamedExpert]

  @Option(help: "Directions at each position.")
  var components = 1

  @OptionGroup(title: "Output") var output: AdapterOutputOptions
  @OptionGroup(title: "Resources") var resources: ResourceOptions
  @OptionGroup(title: "Display") var display: DisplayOptions

  func run() async throws {
    try await Console.reporting { () async throws(TinctureError) in
      Signals.install()
      var named: [(name: String, adapter: Adapter)] = []
      for item in adapters { named.append((item.name, try Adapter(opening: item.path))) }
      let (type, ready) = (try output.type(), named)
      try await output.run(resources, display, comparedTo: .change) {
        (job) async throws(TinctureError) in
        try await ReversiblePackage.write(ready, components: components, dtype: type, job)
      }
    }
  }
}

struct LoraUnpackCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "unpack",
    abstract: "Write an adapter of a package as an adapter of its own.",
    discussion: """
      EXAMPLE
        tincture lora unpack all.safetensors --adapter cars -o cars-again
      """)

  @Argument(help: "The package.")
  var package: String

  @Option(help: "The name of the adapter.")
  var adapter: String

  @Option(name: .shortAndLong, help: "The directory to be made.")
  var output: String

  @OptionGroup(title: "Resources") var resources: ResourceOptions
  @OptionGroup(title: "Display") var display: DisplayOptions

  @Flag(help: "Replace an output that exists.")
  var force = false

  func run() async throws {
    try await Console.reporting { () async throws(TinctureError) in
      Signals.install()
      let opened = try ReversiblePackage(opening: FilePath(package))
      let line = ProgressLine(isQuiet: display.quiet, patience: .seconds(1))
      defer { line.close() }
      let job = AdapterJob(
        output: FilePath(output), replaces: force, workers: resources.engine.workers,
        memoryLimit: resources.engine.memoryLimit, interruption: Signals.interruption
      ) { line.hear($0) }
      let report = try await opened.extract(adapter, job)
      line.close()
      let count = report.layers.count
      if display.json {
        let document = JSONObject([
          ("output", .string(output)), ("output_bytes", .integer(report.byteCount)),
          ("layers", .integer(count)),
        ])
        Console.result(JSONValue.object(document).text())
      } else {
        Console.result("\(output): \(ByteSize.text(report.byteCount)), \(count) layers")
      }
    }
  }
}

extension ProgressLine {
  /// Shows how far the making of an adapter is.
  func hear(_ event: AdapterEvent) {
    switch event {
    case .started(let elements): begin(total: elements, of: "elements")
    case .passed(let elements): advance(by: elements)
    }
  }
}
