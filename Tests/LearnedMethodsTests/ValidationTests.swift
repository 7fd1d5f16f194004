import Foundation
import Synchronization
import SystemPackage
import Testing
import Tincture
import TinctureMerging
import TinctureTensors
import TinctureTorch

@Suite("Values that are chosen by validation", .needsLibTorch, .timeLimit(.minutes(25)))
struct ValidationTests {
  private static let tasks = ["optdigits", "style"]

  /// Hears how many examples are done, and stops the merge from some number on.
  private final class Listener: Sendable {
    let heard = Mutex<[Int]>([])
    let interruption = Interruption()
    private let share: Double

    init(stoppingAfter share: Double = 2) { self.share = share }

    func hear(_ event: MergeEvent) {
      guard case .measured(let done, let total) = event else { return }
      heard.withLock { $0.append(done) }
      if Double(done) > share * Double(total) { interruption.raise() }
    }
  }

  private func merge(
    _ vision: VisionFixture, to name: String, resumes: Bool, _ listener: Listener
  ) async throws -> FilePath {
    let data = "suite: \(VisionFixture.folder)/suite.yaml, limit: 100"
    let recipe = try vision.recipe("tall_masks", Self.tasks, data: data)
    let output = vision.scratch.appending(name)
    var job = MergeJob(recipes: [recipe], output: output)
    job.policy.resume = resumes
    _ = try await job.run(
      interruption: listener.interruption, observer: { listener.hear($0) })
    return output
  }

  private func bytes(_ folder: FilePath, _ name: String) throws -> Data {
    try Data(contentsOf: URL(filePath: folder.appending(name).string))
  }

  private func exists(_ path: FilePath) -> Bool {
    FileManager.default.fileExists(atPath: path.string)
  }

  @Test("A search that is resumed measures no value again and ends with the same bytes")
  func resumes() async throws {
    let vision = try VisionFixture()
    defer { vision.remove() }
    let all = Listener()
    let wanted = try await merge(vision, to: "wanted", resumes: false, all)
    let total = try #require(all.heard.withLock { $0.last })
    #expect(total == 5 * 200)
    let left = vision.scratch.appending(".merged.tincture-validation")
    // In the middle of the third of five values.
    for resumes in [false, true] {
      let stopped = Listener(stoppingAfter: 0.42)
      let error = await #expect(throws: TinctureError.self) {
        try await merge(vision, to: "merged", resumes: resumes, stopped)
      }
      #expect(error?.code == .interrupted)
      #expect(exists(left) == resumes)
      #expect(!exists(vision.scratch.appending("merged")))
    }
    let again = Listener()
    let output = try await merge(vision, to: "merged", resumes: true, again)
    let heard = again.heard.withLock { $0 }
    // The two that are known count at once; the others are measured as before.
    #expect(Array(heard.prefix(3)) == [0, 200, 400])
    let rest = all.heard.withLock { $0.filter { $0 > 400 } }
    #expect(Array(heard.dropFirst(3)) == rest)
    for file in ["model.safetensors", "tasks.bank"] {
      #expect(try bytes(output, file) == bytes(wanted, file))
    }
    #expect(!exists(left))
  }

  @Test("Figures of other data are of no use to a search")
  func otherData() async throws {
    let vision = try VisionFixture()
    defer { vision.remove() }
    let stopped = Listener(stoppingAfter: 0.42)
    _ = try? await merge(vision, to: "merged", resumes: true, stopped)
    let data = "suite: \(VisionFixture.folder)/suite.yaml, limit: 60"
    let recipe = try vision.recipe("tall_masks", Self.tasks, data: data)
    var job = MergeJob(recipes: [recipe], output: vision.scratch.appending("merged"))
    job.policy.resume = true
    let listener = Listener()
    _ = try await job.run(observer: { listener.hear($0) })
    let heard = listener.heard.withLock { $0 }
    #expect(heard.count > 5 && heard.last == 5 * 120)
  }
}
