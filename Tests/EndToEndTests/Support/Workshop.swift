import Foundation
import Testing
import TinctureTorch

/// What a run of the program left behind.
struct ToolRun {
  let status: Int32
  let output: String
  let errors: String
}

/// A new, empty folder in which the program runs; it disappears with its owner.
final class Workshop: Sendable {
  let folder: URL

  init() throws {
    folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("tincture-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(at: folder) }

  /// The built program, which lies beside the bundle of the fixtures.
  static let program: URL = Bundle.module.bundleURL.deletingLastPathComponent()
    .appendingPathComponent("tincture")

  /// The options that name the LibTorch which tests find; the program runs in a folder of its own.
  static func libTorch() throws -> [String] {
    ["--libtorch", URL(filePath: try LibTorchSearch().find().folder).standardizedFileURL.path]
  }

  func url(_ path: String) -> URL { folder.appendingPathComponent(path) }

  func write(_ path: String, _ text: String) throws {
    try write(path, Data(text.utf8))
  }

  func write(_ path: String, _ data: Data) throws {
    let target = url(path)
    try FileManager.default.createDirectory(
      at: target.deletingLastPathComponent(), withIntermediateDirectories: true)
    try data.write(to: target)
  }

  func text(_ path: String) throws -> String {
    String(decoding: try Data(contentsOf: url(path)), as: UTF8.self)
  }

  func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: url(path).path) }

  /// The names in a folder, hidden ones included, sorted.
  func names(_ path: String = "") throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: url(path).path)
      .filter { !$0.hasPrefix(".run-") }.sorted()
  }

  /// The bytes of all files of a folder by name.
  func bytes(_ path: String) throws -> [String: Data] {
    var found: [String: Data] = [:]
    for name in try names(path) { found[name] = try Data(contentsOf: url("\(path)/\(name)")) }
    return found
  }

  /// A value of a JSON file of the workshop.
  func json(_ path: String) throws -> [String: Any] {
    try #require(
      JSONSerialization.jsonObject(with: Data(contentsOf: url(path))) as? [String: Any])
  }

  /// Runs the program in the folder and waits for its end.
  func tincture(_ arguments: String..., environment: [String: String] = [:]) async throws
    -> ToolRun
  {
    try await start(arguments, environment: environment).end()
  }

  /// Runs a script in which `$TINCTURE` is the program.
  func shell(_ script: String) async throws -> ToolRun {
    try await start(["-c", script], program: URL(fileURLWithPath: "/bin/sh")).end()
  }

  /// Starts the program in the folder.
  func start(
    _ arguments: [String], program: URL = Workshop.program, environment: [String: String] = [:]
  ) throws -> RunningTool {
    var settings = ProcessInfo.processInfo.environment.filter { name, _ in
      !["HF_", "XDG_", "TRANSFORMERS_", "HUGGINGFACE_"].contains { name.hasPrefix($0) }
    }
    settings["HOME"] = folder.path
    settings["COLUMNS"] = "100"
    settings["TINCTURE"] = Workshop.program.path
    settings.merge(environment) { $1 }
    return try RunningTool(program, arguments, environment: settings, in: self)
  }
}

/// A run of the program that may still be going on.
final class RunningTool: Sendable {
  private let process: Process
  // Keeps the folder alive as long as the run.
  private let workshop: Workshop
  private let name: String
  private let ends: AsyncStream<Void>

  /// Output goes to files, so that nobody waits for a pipe.
  init(_ program: URL, _ arguments: [String], environment: [String: String], in workshop: Workshop)
    throws
  {
    self.workshop = workshop
    name = ".run-\(UUID().uuidString)"
    process = Process()
    process.executableURL = program
    process.arguments = arguments
    process.environment = environment
    process.currentDirectoryURL = workshop.folder
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = try Self.newFile(workshop.url(name + "-output"))
    process.standardError = try Self.newFile(workshop.url(name + "-errors"))
    let (stream, continuation) = AsyncStream.makeStream(of: Void.self)
    ends = stream
    process.terminationHandler = { _ in continuation.finish() }
    try process.run()
  }

  private static func newFile(_ url: URL) throws -> FileHandle {
    try Data().write(to: url)
    return try FileHandle(forWritingTo: url)
  }

  var isRunning: Bool { process.isRunning }

  /// Sends a signal, unless the process has ended.
  func send(_ signal: Int32) {
    if process.isRunning { kill(process.processIdentifier, signal) }
  }

  /// What the process has written to standard error so far.
  var errors: String { (try? workshop.text(name + "-errors")) ?? "" }

  /// Waits for the end.
  func end() async throws -> ToolRun {
    for await _ in ends {}
    process.waitUntilExit()
    func text(_ suffix: String) throws -> String {
      try workshop.text(name + suffix)
    }
    return ToolRun(
      status: process.terminationStatus, output: try text("-output"), errors: try text("-errors"))
  }

  /// Sends a signal once a condition holds and a delay has passed, unless the process has ended.
  ///
  /// A thread of its own watches, as tasks may have to wait while other tests are busy.
  func send(
    _ signal: Int32, after delay: TimeInterval = 0, when condition: @escaping @Sendable () -> Bool
  )
    async
  {
    await withCheckedContinuation { continuation in
      Thread.detachNewThread {
        while self.isRunning, !condition() { Thread.sleep(forTimeInterval: 0.0005) }
        Thread.sleep(forTimeInterval: delay)
        self.send(signal)
        continuation.resume()
      }
    }
  }
}

/// Expects a run to end with a status, and shows what it said when it does not.
func expect(_ run: ToolRun, ends status: Int32, at place: SourceLocation = #_sourceLocation) {
  #expect(run.status == status, "\(run.output)\(run.errors)", sourceLocation: place)
}
