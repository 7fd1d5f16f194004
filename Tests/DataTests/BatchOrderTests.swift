import Testing
import TinctureData

@Suite("Order of examples")
struct BatchOrderTests {
  @Test("Every example is taken once, whatever seed and epoch", arguments: [0, 1, 2, 10, 1000])
  func permutation(count: Int) {
    for seed in [UInt64?.none, 0, 7] {
      let order = BatchOrder(count: count, batchSize: 3, seed: seed)
      #expect(order.order(epoch: 5).sorted() == Array(0..<count))
      #expect(order.batches(epoch: 5).flatMap(\.self) == order.order(epoch: 5))
    }
  }

  @Test("The order depends on seed and epoch alone")
  func reproducible() {
    let order = BatchOrder(count: 100, batchSize: 32, seed: 1)
    #expect(order.order(epoch: 3) == BatchOrder(count: 100, batchSize: 7, seed: 1).order(epoch: 3))
    #expect(order.order(epoch: 3) != order.order(epoch: 4))
    #expect(order.order() != BatchOrder(count: 100, batchSize: 32, seed: 2).order())
    // Recorded: a change would make earlier results irreproducible.
    #expect(BatchOrder(count: 8, batchSize: 8, seed: 1).order() == [4, 7, 5, 1, 6, 3, 0, 2])
  }

  @Test("A last batch that is not full is kept or left out")
  func last() {
    let kept = BatchOrder(count: 7, batchSize: 3)
    #expect(kept.batches().map(\.self) == [[0, 1, 2], [3, 4, 5], [6]])
    #expect(kept.batchCount == 3)
    let dropped = BatchOrder(count: 7, batchSize: 3, dropsLast: true)
    #expect(Array(dropped.batches()) == [[0, 1, 2], [3, 4, 5]])
    #expect(dropped.batchCount == 2)
    #expect(BatchOrder(count: 6, batchSize: 3).batchCount == 2)
  }

  @Test("Each example is about equally likely at each position")
  func uniform() {
    var counts = [Int](repeating: 0, count: 16)
    for epoch in 0..<4000 {
      let order = BatchOrder(count: 4, batchSize: 4, seed: 9).order(epoch: epoch)
      for (position, example) in order.enumerated() { counts[4 * position + example] += 1 }
    }
    #expect(counts.allSatisfy { (850...1150).contains($0) })
  }
}
