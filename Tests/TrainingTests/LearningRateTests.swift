import Testing

@testable import TinctureTraining

@Suite("Learning rates")
struct LearningRateTests {
  private func factors(_ schedule: LearningRateSchedule, _ count: Int, perEpoch: Int) -> [Double] {
    (0..<count).map { schedule.factor($0, of: count, perEpoch: perEpoch) }
  }

  @Test("Steps fall at their epochs, and not before")
  func steps() {
    let found = factors(.init(.steps(decays: [1, 2.5], factor: 0.1)), 12, perEpoch: 4)
    #expect(found[0..<4].allSatisfy { $0 == 1 })
    #expect(found[4..<10].allSatisfy { $0 == 0.1 })
    #expect(found[10..<12].allSatisfy { abs($0 - 0.01) < 1e-15 })
  }

  @Test("The warm-up rises in a line and reaches one")
  func warmup() {
    let found = factors(.init(.constant, warmup: 2), 10, perEpoch: 2)
    #expect(found == [0.25, 0.5, 0.75, 1, 1, 1, 1, 1, 1, 1])
  }

  @Test("A cosine goes from one to its final share, half way down in the middle")
  func cosine() {
    let found = factors(.init(.cosine(final: 0.2), warmup: 1), 12, perEpoch: 2)
    #expect(found[1] == 1 && found[2] == 1)
    #expect(abs(found[7] - 0.6) < 1e-12)
    #expect(zip(found[2...], found[3...]).allSatisfy { $0 > $1 } && found[11] > 0.2)
  }

  @Test("A line goes down evenly")
  func linear() {
    let found = factors(.init(.linear(final: 0)), 4, perEpoch: 2)
    #expect(found == [1, 0.75, 0.5, 0.25])
  }
}
