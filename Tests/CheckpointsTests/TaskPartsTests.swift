import Foundation
import SystemPackage
import Testing
import TinctureCheckpoints
import TinctureJSON
import TinctureSafetensors
import TinctureTensors

@Suite("Parts of single tasks")
struct TaskPartsTests {
  private let folder: URL

  init() throws {
    folder = FileManager.default.temporaryDirectory.appending(
      path: "tincture-parts-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  }

  private func bytes(_ values: [Float]) -> [UInt8] { values.withUnsafeBytes { Array($0) } }

  /// A model of two tensors with a tinted one and a head for the task `a`.
  private func write(tinted: [Int] = [2]) throws {
    let shape = try #require(Shape([2]))
    let header = SafetensorsHeader.encode(
      tensors: [("x", .f32, shape), ("y", .f32, shape)], metadata: [])
    try Data(header + bytes([1, 2, 3, 4])).write(to: folder.appending(path: "model.safetensors"))
    var writer = TaskPartsWriter(method: "tinting")
    let own = try #require(Shape(tinted))
    writer.add(
      "a", role: "parameter:y", dtype: .f32, shape: own,
      bytes: bytes(Array(repeating: 7, count: own.elementCount)))
    writer.add(
      "a", role: "head.weight", plainName: "a.weight", dtype: .f32, shape: shape,
      bytes: bytes([8, 9]))
    writer.add(
      "b", role: "head.weight", plainName: "b.weight", dtype: .f32, shape: shape,
      bytes: bytes([5, 6]))
    try Data(writer.encoded()).write(to: folder.appending(path: TaskParts.fileName))
  }

  private func remove() { try? FileManager.default.removeItem(at: folder) }

  private func values(_ checkpoint: Checkpoint, _ name: String) throws -> [Float] {
    let entry = try #require(checkpoint[name])
    let bytes = try entry.file.bytes(at: entry.tensor.byteOffset, count: entry.tensor.byteCount)
    return bytes.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
  }

  @Test("A task's model has its own tensors, the shared ones, and its head under its plain name")
  func plain() throws {
    defer { remove() }
    try write()
    let path = FilePath(folder.path)
    let parts = try TaskParts(opening: try #require(TaskParts.path(in: path)))
    #expect(parts.method == "tinting")
    #expect(parts.tasks.map(\.name) == ["a", "b"])
    let a = try TaskParts.checkpoint(path, task: "a")
    #expect(a.names.sorted() == ["a.weight", "x", "y"])
    #expect(try values(a, "x") == [1, 2])
    #expect(try values(a, "y") == [7, 7])
    #expect(try values(a, "a.weight") == [8, 9])
    let b = try TaskParts.checkpoint(path, task: "b")
    #expect(try values(b, "y") == [3, 4])
    let error = #expect(throws: TinctureError.self) { try TaskParts.checkpoint(path, task: "c") }
    #expect(error?.code == .missingInput)
    #expect(error?.message.contains("a, b") == true)
  }

  @Test("A tensor of another shape than the model's is refused with both shapes")
  func mismatch() throws {
    defer { remove() }
    try write(tinted: [3])
    let error = #expect(throws: TinctureError.self) {
      try TaskParts.checkpoint(FilePath(folder.path), task: "a")
    }
    #expect(error?.code == .checkpoint)
    #expect(error?.message.contains("[3]") == true && error?.message.contains("[2]") == true)
  }

  @Test("A model without parts has no models of tasks")
  func none() throws {
    defer { remove() }
    try write()
    try FileManager.default.removeItem(at: folder.appending(path: TaskParts.fileName))
    let error = #expect(throws: TinctureError.self) {
      try TaskParts.checkpoint(FilePath(folder.path), task: "a")
    }
    #expect(error?.message.contains("no parts") == true)
  }

  @Test(
    "A malformed description is refused with what is wrong",
    arguments: [
      ("{", "no JSON"), ("{}", "no version"),
      (#"{"version": 2, "method": "m", "tasks": []}"#, "version 2"),
      (#"{"version": 1, "tasks": []}"#, "names no method"),
      (#"{"version": 1, "method": "m", "tasks": [{"name": "a"}]}"#, "without tensors"),
      (
        #"{"version": 1, "method": "m", "tasks": [{"name": "a", "tensors": {"r": "z"}}]}"#,
        "not there"
      ),
      (
        #"{"version": 1, "method": "m", "tasks": [{"name": "a", "tensors": {"r": "t"}, "names": {"s": "t"}}]}"#,
        "does not have"
      ),
      (
        #"{"version": 1, "method": "m", "tasks": [{"name": "a", "tensors": {}}, {"name": "a", "tensors": {}}]}"#,
        "two tasks 'a'"
      ),
    ])
  func hostile(description: String, message: String) throws {
    defer { remove() }
    let path = folder.appending(path: TaskParts.fileName)
    let header = SafetensorsHeader.encode(
      tensors: [("t", .f32, try #require(Shape([1])))],
      metadata: [(TaskParts.metadataKey, description)])
    try Data(header + [0, 0, 0, 0]).write(to: path)
    let error = #expect(throws: TinctureError.self) { try TaskParts(opening: FilePath(path.path)) }
    #expect(error?.code == .checkpoint)
    #expect(error?.message.contains(message) == true)
  }
}
