import Testing
import TinctureNetworks
import TinctureTensors
import TinctureTraining

@Suite("Schedules of ranks")
struct ScheduleTests {
  @Test(
    "Dense training is placed around the first decay",
    arguments: [(100, 150, [0, 55, 120]), (150, 200, [0, 83, 180]), (10, 12, [0, 6])])
  func automatic(firstDecay: Int, epochs: Int, expected: [Int]) throws {
    let schedule = try RankSchedule.automatic(firstDecay: firstDecay, epochs: epochs)
    #expect(schedule.phases.map(\.epoch) == expected)
    #expect(
      schedule.phases.map(\.mode.name)
        == Array(["low_rank", "dense", "adaptor"].prefix(expected.count)))
    try schedule.check(epochs: epochs)
  }

  @Test("The first decay is the first step, or the middle of a cosine")
  func decay() {
    #expect(RankSchedule.firstDecay(of: [0.1, 0.1, 0.01, 0.001]) == 2)
    #expect(RankSchedule.firstDecay(of: [0.01, 0.05, 0.1, 0.09, 0.06, 0.05]) == 5)
    #expect(RankSchedule.firstDecay(of: [0.1, 0.09]) == nil)
  }

  @Test("The mode of an epoch is that of the phase before or at it")
  func modes() throws {
    let schedule = try RankSchedule(windows: [(2, 4), (6, 8), (9, nil)])
    let names = (0..<10).map { schedule.mode(atEpoch: $0).name }
    #expect(
      names == [
        "low_rank", "low_rank", "dense", "dense", "adaptor", "adaptor", "dense", "dense", "adaptor",
        "dense",
      ])
  }

  @Test("What cannot be done in order is refused with what to do")
  func refusals() {
    func message(_ body: () throws -> Void) -> String {
      do { try body() } catch let error as TinctureError { return error.message } catch {}
      return ""
    }
    let early = message { _ = try RankSchedule(windows: [(0, 4)]) }
    #expect(early.contains("inflates at epoch 0, before"))
    let swapped = message { _ = try RankSchedule(windows: [(5, 4)]) }
    #expect(swapped.contains("deflates at 4"))
    #expect(message { _ = try RankSchedule(windows: [(5, nil), (7, 8)]) }.contains("no epoch"))
    #expect(message { _ = try RankSchedule(phases: []) }.contains("needs a phase"))
    #expect(message { _ = try RankSchedule(phases: [(3, .dense)]) }.contains("epoch 0"))
    let lost = message {
      _ = try RankSchedule(phases: [(0, .dense), (3, .lowRank(LowRankSettings()))])
    }
    #expect(lost.contains("throw away"))
    var chain = LowRankSettings()
    chain.form = .chain
    chain.startsFromWeight = true
    let form = message { _ = try RankSchedule(phases: [(0, .lowRank(chain))]) }
    #expect(form.contains("matrix or tucker"))
    let late = message { try RankSchedule(windows: [(5, 9)]).check(epochs: 9) }
    #expect(late.contains("begins at epoch 9"))
    let none = message { _ = try RankSchedule.automatic(firstDecay: 0, epochs: 9) }
    #expect(none.contains("epoch 1 or later"))
    let short = message { _ = try RankSchedule.automatic(firstDecay: 100, epochs: 50) }
    #expect(short.contains("begin at epoch 55"))
  }
}
