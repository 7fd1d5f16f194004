import Foundation
import SystemPackage
import Testing
import TinctureTensors

@testable import TinctureCheckpoints

@Suite("Files that are replaced when they are whole")
struct FileReplacementTests {
  private let folder: FilePath

  init() throws {
    let url = FileManager.default.temporaryDirectory.appending(
      path: "tincture-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    folder = FilePath(url.path)
  }

  private func contents(_ path: FilePath) -> [UInt8]? {
    FileManager.default.contents(atPath: path.string).map(Array.init)
  }

  private func names(_ path: FilePath) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: path.string)
  }

  private func replace(_ path: FilePath, _ pieces: [[UInt8]]) throws(TinctureError) {
    try FileReplacement.write(to: path, "The file of a test", flushes: true) {
      (file) throws(TinctureError) in for piece in pieces { try file.append(piece) }
    }
  }

  @Test("Pieces follow one another, in folders that are made, and an older file gives way")
  func pieces() throws {
    defer { Directories.remove(folder) }
    let path = folder.appending("a").appending("b").appending("file")
    try replace(path, [[1, 2], [], [3]])
    #expect(contents(path) == [1, 2, 3])
    try replace(path, [[4]])
    #expect(contents(path) == [4])
    #expect(try names(path.removingLastComponent()) == ["file"])
  }

  @Test("After a failure the older file is as it was, and nothing else is there")
  func failure() throws {
    defer { Directories.remove(folder) }
    let path = folder.appending("file")
    try replace(path, [[1, 2, 3]])
    let error = #expect(throws: TinctureError.self) {
      try FileReplacement.write(to: path, "The file of a test") {
        (file) throws(TinctureError) in
        try file.append([9] as [UInt8])
        throw TinctureError(.interrupted, "Enough.")
      }
    }
    #expect(error?.code == .interrupted)
    #expect(contents(path) == [1, 2, 3])
    #expect(try names(folder) == ["file"])
  }

  @Test(
    "What a killed process left is written over; where files are shared, it has a name of its own")
  func leftovers() throws {
    defer { Directories.remove(folder) }
    let path = folder.appending("file")
    try Data([7, 7, 7]).write(to: URL(filePath: path.string + ".new"))
    try replace(path, [[1]])
    #expect(contents(path) == [1])
    #expect(try names(folder) == ["file"])
    var during: [String] = []
    try FileReplacement.write(to: path, "The file of a test", isShared: true) {
      (file) throws(TinctureError) in
      try file.append([2] as [UInt8])
      during = (try? names(folder)) ?? []
    }
    #expect(during.sorted() == ["file", "file.\(getpid()).new"])
    #expect(contents(path) == [2])
  }

  @Test("What stands in the way is named")
  func obstacle() throws {
    defer { Directories.remove(folder) }
    let obstacle = folder.appending("file")
    try replace(obstacle, [[1]])
    let error = #expect(throws: TinctureError.self) {
      try replace(obstacle.appending("below"), [[2]])
    }
    #expect(error?.place.file?.hasPrefix(obstacle.string) == true)
    #expect(contents(obstacle) == [1])
    let taken = #expect(throws: TinctureError.self) { try replace(folder, [[2]]) }
    #expect(taken?.place.file == folder.string)
    #expect(try names(folder) == ["file"])
    let name = try #require(folder.lastComponent?.string)
    #expect(try names(folder.removingLastComponent()).filter { $0.hasPrefix(name) } == [name])
  }

  @Test("Relative paths are seen from the current directory")
  func absolute() {
    defer { Directories.remove(folder) }
    let current = FilePath(FileManager.default.currentDirectoryPath)
    #expect(FilePath("a/../b/./c").absolute == current.appending("b").appending("c"))
    #expect(FilePath("/a/../b").absolute == "/b")
    #expect(FilePath("..").absolute == current.removingLastComponent().lexicallyNormalized())
  }
}
