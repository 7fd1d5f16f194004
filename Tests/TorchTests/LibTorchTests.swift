import Foundation
import Testing
import TinctureTensors
import TinctureTorch

@Suite("Finding LibTorch")
final class LibTorchTests {
  /// What disappears with the test.
  private let scratch = FileManager.default.temporaryDirectory.appending(
    path: "tincture-\(UUID().uuidString) [x]")

  deinit { try? FileManager.default.removeItem(at: scratch) }

  /// A folder with a false LibTorch of a version, or with none.
  private func place(_ version: String?) throws -> String {
    let prefix = scratch.appending(path: UUID().uuidString)
    let package = prefix.appending(path: "lib/python3.11/site-packages/torch")
    try FileManager.default.createDirectory(
      at: package.appending(path: "lib"), withIntermediateDirectories: true)
    if let version {
      #if canImport(Darwin)
        let library = "lib/libtorch_cpu.dylib"
      #else
        let library = "lib/libtorch_cpu.so"
      #endif
      try Data("no library".utf8).write(to: package.appending(path: library))
      try Data("# made for tests\n__version__ = '\(version)'\n".utf8)
        .write(to: package.appending(path: "version.py"))
    }
    return prefix.path(percentEncoded: false)
  }

  private static func search(
    _ path: String? = nil, _ environment: [String: String] = [:], in folder: String = "/nowhere"
  ) -> LibTorchSearch {
    LibTorchSearch(path: path, environment: environment, workingFolder: folder)
  }

  @Test("A given folder without the library is a missing facility, with the way to get it")
  func nothingThere() throws {
    let empty = try place(nil)
    for search in [Self.search(empty), Self.search(nil, ["TINCTURE_LIBTORCH": empty])] {
      let error = #expect(throws: TinctureError.self) { try search.find() }
      #expect(error?.code == .missingFacility && error?.code.exitStatus == 69)
      let message = error?.message ?? ""
      for part in [empty, "pip install torch", "--libtorch PATH", "TINCTURE_LIBTORCH"] {
        #expect(message.contains(part))
      }
    }
  }

  @Test("A version that is too old is named with its place")
  func tooOld() throws {
    let old = try place("2.9.1+cu128")
    let error = #expect(throws: TinctureError.self) { try Self.search(old).find() }
    #expect(error?.code == .missingFacility)
    #expect(error?.message.contains("is version 2.9.1+cu128; version 2.10 or newer") == true)
    #expect(error?.message.contains(old) == true)
  }

  @Test("Earlier places win, and usual places with old versions are passed over")
  func order() throws {
    let old = try place("2.4.0")
    let new = try place("2.11.0")
    let newer = try place("2.13.0+cpu")
    let given = try Self.search(newer, ["TINCTURE_LIBTORCH": new]).find()
    #expect(given.origin == "--libtorch" && given.version?.text == "2.13.0+cpu")
    let variable = try Self.search(
      nil, ["TINCTURE_LIBTORCH": new + "/lib/python3.11/site-packages/torch", "VIRTUAL_ENV": newer]
    ).find()
    #expect(variable.origin == "TINCTURE_LIBTORCH" && variable.version?.minor == 11)
    #expect(variable.folder == new + "/lib/python3.11/site-packages/torch/lib")
    let active = try Self.search(nil, ["VIRTUAL_ENV": old, "CONDA_PREFIX": new]).find()
    #expect(active.origin == "CONDA_PREFIX")
    // The project's own environment comes before the active one.
    let project = try place(nil)
    try FileManager.default.createDirectory(
      atPath: project + "/.venv", withIntermediateDirectories: true)
    try FileManager.default.moveItem(atPath: newer, toPath: project + "/.venv/torch")
    let local = try Self.search(nil, ["VIRTUAL_ENV": new], in: project).find()
    #expect(local.origin == "the project's .venv/torch" && local.version?.minor == 13)
  }

  @Test("The Python of a PATH is found without running it")
  func path() throws {
    let new = try place("2.12.0")
    let python = new + "/bin/python3"
    try FileManager.default.createDirectory(
      atPath: new + "/bin", withIntermediateDirectories: true)
    try Data("#!/bin/false\n".utf8).write(to: URL(filePath: python))
    #expect(try Self.search(nil, ["PATH": "/nowhere:\(new)/bin"]).find().version?.minor == 12)
    // A link leads to the installation that it belongs to.
    let links = try place(nil) + "/bin"
    try FileManager.default.createDirectory(atPath: links, withIntermediateDirectories: true)
    try FileManager.default.createSymbolicLink(
      atPath: links + "/python3", withDestinationPath: python)
    #expect(try Self.search(nil, ["PATH": links]).find().version?.minor == 12)
  }

  @Test(
    "Versions are read as PyTorch writes them",
    arguments: [
      ("2.13.0+cpu", true), ("2.10.0a0+git1234", true), ("3.0", true), ("2.9.1", false),
      ("1.13.1", false),
    ])
  func versions(text: String, isSufficient: Bool) {
    let version = LibTorchVersion(parsing: text)
    #expect(version?.text == text && version?.isSufficient == isSufficient)
    #expect(LibTorchVersion(parsing: "torch") == nil && LibTorchVersion(parsing: "2") == nil)
  }

  @Test("A file that is no library is a missing facility with the system's reason")
  func noLibrary() async {
    await #expect(processExitsWith: .success) {
      let tests = LibTorchTests()
      let place = try tests.place("2.13.0")
      let error = #expect(throws: TinctureError.self) {
        try LibTorch.load(LibTorchSearch(path: place))
      }
      withExtendedLifetime(tests) {}
      #expect(error?.code == .missingFacility)
      #expect(error?.message.contains("cannot be loaded") == true)
    }
  }

  @Test("A second LibTorch beside the loaded one is refused", .needsLibTorch)
  func second() throws {
    let loaded = try LibTorch.current()
    #expect(try LibTorch.load(LibTorchSearch()) === loaded)
    #expect(loaded.version.isSufficient)
    let error = #expect(throws: TinctureError.self) {
      try LibTorch.load(LibTorchSearch(path: self.place("2.13.0")))
    }
    #expect(error?.message.contains("is loaded already") == true)
  }

  @Test(
    "Devices are read as PyTorch writes them",
    arguments: [("cpu", "cpu"), ("cuda", "cuda:0"), ("cuda:3", "cuda:3"), ("mps", "mps")])
  func devices(text: String, description: String) throws {
    #expect(try TorchDevice(parsing: text).description == description)
  }

  @Test("Other devices are usage errors", arguments: ["", "gpu", "cuda:x", "cuda:-1", "cpu:1"])
  func wrongDevices(text: String) {
    let error = #expect(throws: TinctureError.self) { try TorchDevice(parsing: text) }
    #expect(error?.code == .usage)
  }
}
