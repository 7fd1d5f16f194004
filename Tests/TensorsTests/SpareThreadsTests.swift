import Synchronization
import Testing
import TinctureTensors

@Suite("Spare threads")
struct SpareThreadsTests {
  @Test("Every piece is done once, whoever helps", arguments: [0, 1, 3], [0, 1, 2, 100])
  func pieces(threads: Int, count: Int) {
    let spare = SpareThreads()
    spare.offer(threads)
    let done = Mutex([Int](repeating: 0, count: count))
    spare.run(pieces: count) { piece in done.withLock { $0[piece] += 1 } }
    #expect(done.withLock { $0 } == [Int](repeating: 1, count: count))
    #expect(spare.count == threads)
  }

  @Test("Threads that were taken back are not used, also when more are taken than there are")
  func takingBack() {
    let spare = SpareThreads()
    spare.offer(2)
    spare.takeBack(3)
    #expect(spare.count == -1)
    // Without helpers pieces are done in turn.
    var order: [Int] = []
    spare.run(pieces: 5) { order.append($0) }
    #expect(order == [0, 1, 2, 3, 4])
    spare.offer()
    #expect(spare.count == 0)
  }

  @Test("Pieces may be cut again, for those that are still spare")
  func nesting() {
    let spare = SpareThreads()
    spare.offer(2)
    let sum = Atomic<Int>(0)
    spare.run(pieces: 8) { outer in
      spare.run(pieces: 8) { inner in sum.add(outer * 8 + inner, ordering: .relaxed) }
    }
    #expect(sum.load(ordering: .relaxed) == 63 * 64 / 2)
    #expect(spare.count == 2)
  }

  @Test("Phases of a team follow one another, whoever helps", arguments: [0, 1, 3])
  func phases(threads: Int) {
    let spare = SpareThreads()
    spare.offer(threads)
    var total = 0
    ThreadTeam.gather(4, from: spare) { team in
      #expect(spare.count == 0)
      for phase in 0..<2000 {
        let parts = phase % 5
        var found = [Int](repeating: 0, count: parts)
        found.withUnsafeMutableBufferPointer { found in
          team.run(parts) { found[$0] = phase + $0 }
        }
        // All parts are there before the next phase begins.
        #expect(found == (0..<parts).map { phase + $0 })
        total += parts
      }
    }
    #expect(total == 4000)
    #expect(spare.count == threads)
  }

  @Test("A phase ends with its slowest part")
  func slowParts() {
    let spare = SpareThreads()
    spare.offer(2)
    ThreadTeam.gather(3, from: spare) { team in
      for phase in 0..<100 {
        let found = Mutex([Int](repeating: 0, count: 4))
        team.run(4) { part in
          let end = ContinuousClock.now + .microseconds(50 + 100 * part)
          while ContinuousClock.now < end {}
          found.withLock { $0[part] = phase }
        }
        #expect(found.withLock { $0 } == [phase, phase, phase, phase])
      }
    }
  }

  @Test("A team has no more helpers than it can use")
  func limit() {
    let spare = SpareThreads()
    spare.offer(5)
    ThreadTeam.gather(3, from: spare) { _ in #expect(spare.count == 3) }
    ThreadTeam.gather(1, from: spare) { _ in #expect(spare.count == 5) }
    #expect(spare.count == 5)
  }
}
