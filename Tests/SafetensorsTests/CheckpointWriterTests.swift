import Foundation
import Synchronization
import SystemPackage
import Testing
import TinctureCheckpoints
import TinctureMergeTesting
import TinctureSafetensors
import TinctureTensors

/// How a disk fails.
enum Disk: Sendable, CaseIterable {
  case full, broken, stuck, unknown

  /// A write that works for some bytes and then fails in this way.
  func write(after limit: Int) -> RangeWriter.Write {
    let written = Mutex(0)
    return { descriptor, bytes, offset in
      let before = written.withLock { count in
        defer { count += bytes.count }
        return count
      }
      guard before + bytes.count > limit else {
        return try RangeWriter.systemWrite(descriptor, bytes, offset)
      }
      switch self {
      case .full: throw Errno.noSpace
      case .broken: throw Errno.ioError
      case .stuck: return 0
      case .unknown: throw CancellationError()
      }
    }
  }
}

@Suite("Writing outputs")
struct CheckpointWriterTests {
  static let layout = OutputLayout(
    tensors: [.init(name: "a", dtype: .u8, shape: Shape(vector: 1000))], shardSize: 1 << 20)
  static let contents = [UInt8](repeating: 7, count: 1000)

  static func write(_ writer: borrowing CheckpointWriter) throws {
    try contents.withUnsafeBytes {
      try writer.ranges.write($0, file: 0, offset: layout.places[0].offset)
    }
  }

  @Test("A failing disk is an error, and nothing stays behind", arguments: Disk.allCases)
  func failingDisk(disk: Disk) throws {
    for limit in [0, layout().header, layout().header + 1] {
      let scratch = try ScratchDirectory()
      let error = #expect(throws: TinctureError.self) {
        let writer = try CheckpointWriter.create(
          scratch.path.appending("out"), layout: Self.layout, fingerprint: "f",
          write: disk.write(after: limit))
        try Self.write(writer)
      }
      #expect(error?.code == .io)
      #expect(error?.place.byteOffset != nil)
      #expect(error?.message.contains("Free some space") == (disk == .full))
      #expect(try scratch.names().isEmpty)
    }
  }

  private func layout() -> (header: Int, size: Int) {
    (Self.layout.files[0].header.count, Self.layout.files[0].size)
  }

  @Test("Short writes are continued", arguments: [1, 7, 999])
  func shortWrites(step: Int) throws {
    let scratch = try ScratchDirectory()
    let output = scratch.path.appending("out")
    let writer = try CheckpointWriter.create(
      output, layout: Self.layout, fingerprint: "f"
    ) { descriptor, bytes, offset in
      let piece = UnsafeRawBufferPointer(rebasing: bytes[..<min(step, bytes.count)])
      return try RangeWriter.systemWrite(descriptor, piece, offset)
    }
    try Self.write(writer)
    try writer.finish()
    try Self.expectFinished(output)
  }

  @Test("A writer that is dropped leaves nothing behind")
  func dropped() throws {
    let scratch = try ScratchDirectory()
    do {
      let writer = try CheckpointWriter.create(
        scratch.path.appending("deep/er/out"), layout: Self.layout, fingerprint: "f")
      try Self.write(writer)
    }
    #expect(try DirectoryListing.names(in: scratch.path.appending("deep/er")).isEmpty)
  }

  @Test(
    "An output that exists is not touched without leave", arguments: ["out", "out.safetensors"])
  func occupied(name: String) throws {
    let scratch = try ScratchDirectory()
    let output = scratch.path.appending(name)
    try Self.complete(output)
    let before = try scratch.names()
    let error = #expect(throws: TinctureError.self) {
      _ = try CheckpointWriter.create(output, layout: Self.layout, fingerprint: "f")
    }
    #expect(error?.code == .cannotCreate)
    #expect(error?.message.contains("--force") == true)
    try Self.expectFinished(output)
    #expect(try scratch.names() == before)
  }

  @Test("A repository is never replaced")
  func repository() throws {
    let scratch = try ScratchDirectory()
    let output = scratch.path.appending("out")
    try Self.complete(output, sidecars: [(".git/HEAD", [1])])
    let error = #expect(throws: TinctureError.self) {
      _ = try CheckpointWriter.create(
        output, layout: Self.layout, fingerprint: "f", policy: .init(replace: true))
    }
    #expect(error?.message.contains(".git") == true)
  }

  @Test("Replacing exchanges the whole output", arguments: ["out", "out.safetensors"])
  func replacing(name: String) throws {
    let scratch = try ScratchDirectory()
    let output = scratch.path.appending(name)
    try Self.complete(output, sidecars: [("old.json", [1])])
    try Self.complete(output, policy: .init(replace: true), sidecars: [("sub/new.json", [2])])
    try Self.expectFinished(output)
    #expect(try scratch.names() == [name])
    if name == "out" {
      #expect(try DirectoryListing.names(in: output) == ["model.safetensors", "sub"])
    }
  }

  @Test("When finishing fails the old output stays", arguments: ["out", "out.safetensors"])
  func failingFinish(name: String) throws {
    let scratch = try ScratchDirectory()
    let output = scratch.path.appending(name)
    try Self.complete(output, sidecars: [("old.json", [1])])
    let error = #expect(throws: TinctureError.self) {
      let writer = try CheckpointWriter.create(
        output, layout: Self.layout, fingerprint: "f", policy: .init(replace: true))
      try Self.write(writer)
      let hidden = scratch.path.appending(".\(name).tincture-partial")
      if name == "out" {
        try writer.finish(sidecars: [("model.safetensors/below-a-file.json", [1])])
      } else {
        try FileManager.default.removeItem(
          atPath: hidden.appending("model.safetensors").string)
        try writer.finish()
      }
    }
    #expect(error != nil)
    try Self.expectFinished(output)
    #expect(try scratch.names() == [name])
  }

  @Test("An output that has no name, or a single file for several shards, is refused")
  func impossible() throws {
    let scratch = try ScratchDirectory()
    let shards = OutputLayout(
      tensors: ["a", "b"].map { .init(name: $0, dtype: .u8, shape: Shape(vector: 9)) },
      shardSize: 1)
    for (path, layout) in [
      (FilePath("/"), Self.layout), (FilePath(".."), Self.layout), (FilePath(""), Self.layout),
      (scratch.path.appending("out.safetensors"), shards),
    ] {
      let error = #expect(throws: TinctureError.self) {
        _ = try CheckpointWriter.create(path, layout: layout, fingerprint: "f")
      }
      #expect(error?.code == .cannotCreate)
    }
    #expect(try scratch.names().isEmpty)
  }

  @Test("An output that does not fit on the disk is refused before anything is written")
  func tooLarge() throws {
    let scratch = try ScratchDirectory()
    let huge = OutputLayout(
      tensors: [.init(name: "a", dtype: .u8, shape: Shape(vector: 1 << 58))], shardSize: .max)
    let error = #expect(throws: TinctureError.self) {
      _ = try CheckpointWriter.create(
        scratch.path.appending("out"), layout: huge, fingerprint: "f")
    }
    #expect(error?.code == .cannotCreate)
    #expect(error?.message.contains("are free") == true)
    #expect(try scratch.names().isEmpty)
  }

  static func complete(
    _ output: FilePath, policy: CheckpointWriter.Policy = .init(),
    sidecars: [(path: String, contents: [UInt8])] = []
  ) throws {
    let writer = try CheckpointWriter.create(
      output, layout: layout, fingerprint: "f", policy: policy)
    try write(writer)
    try writer.finish(sidecars: sidecars)
  }

  static func expectFinished(_ output: FilePath) throws {
    let entry = try #require(try Checkpoint.open(output)["a"])
    let bytes = try entry.file.bytes(at: entry.tensor.byteOffset, count: entry.tensor.byteCount)
    #expect(bytes == contents)
  }
}
