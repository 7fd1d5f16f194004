import Foundation
import SystemPackage
import Testing
import TinctureMergeTesting
import TinctureMerging
import TinctureTensors

@Suite("What is kept of steps until they merge")
struct StepStoreTests {
  private static func steps() throws -> [MergeStep] { try EngineFixture().plan().steps }

  @Test("Numbers come back, for their step only")
  func keeps() throws {
    let scratch = try ScratchDirectory()
    let folder = scratch.path.appending("kept")
    let steps = try Self.steps()
    let store = StepStore(folder)
    #expect(try store.read(steps[0], as: Double.self) { $0.count } == nil)
    store.keep([1.5, -2, 1e300].span, for: steps[0])
    // A merge that resumes opens the same folder anew.
    let reopened = StepStore(folder)
    let found = try reopened.read(steps[0], as: Double.self, count: 3) { numbers in
      (0..<numbers.count).map { numbers[$0] }
    }
    #expect(found == [1.5, -2, 1e300])
    #expect(try reopened.read(steps[1], as: Double.self) { $0.count } == nil)
  }

  @Test("What is of another length than expected is as if it were not there")
  func lengths() throws {
    let scratch = try ScratchDirectory()
    let steps = try Self.steps()
    let store = StepStore(scratch.path)
    store.keep([Float(1), 2, 3].span, for: steps[0])
    #expect(try store.read(steps[0], as: Float.self, count: 4) { $0.count } == nil)
    #expect(try store.read(steps[0], as: Double.self) { $0.count } == nil)
    #expect(try store.read(steps[0], as: Float.self) { $0.count } == 3)
  }

  @Test("A place where nothing can be written keeps nothing")
  func failures() throws {
    let scratch = try ScratchDirectory()
    let file = try scratch.write("file", [1])
    let steps = try Self.steps()
    for store in [StepStore(nil), StepStore(file), StepStore(file.appending("folder"))] {
      store.keep([Float(1)].span, for: steps[0])
      #expect(try store.read(steps[0], as: Float.self) { $0.count } == nil)
    }
    #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.path.string) == ["file"])
  }
}
