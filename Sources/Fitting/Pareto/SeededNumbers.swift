internal import TinctureTensors

/// Random numbers one after another, of which the n-th depends on the seed and n alone.
package struct SeededNumbers: Sendable {
  private let random: CounterRandom
  private var count = 0

  /// Begins.
  ///
  /// - Parameters:
  ///   - seed: The seed of the run.
  ///   - purpose: What the numbers are for.
  package init(seed: UInt64, purpose: String) {
    random = CounterRandom(seed: seed, tensor: "", purpose: purpose)
  }

  /// The next number, uniform in [0, 1).
  package mutating func uniform() -> Double {
    count += 1
    return random.uniform(at: count - 1)
  }

  /// The next number from 0 to a bound, the bound left out.
  package mutating func index(below bound: Int) -> Int {
    min(bound - 1, Int(uniform() * Double(bound)))
  }

  /// The next number of a normal distribution with mean 0 and deviation 1, by Box and Muller.
  package mutating func normal() -> Double {
    let radius = (-2 * naturalLog(max(uniform(), 0x1p-60))).squareRoot()
    return radius * cosineOf(2 * .pi * uniform())
  }

  /// Some of the numbers from 0 to a bound, each at most once, in random order.
  package mutating func sample(_ count: Int, below bound: Int) -> [Int] {
    var rest = Array(0..<bound)
    for place in 0..<min(count, bound) { rest.swapAt(place, place + index(below: bound - place)) }
    return Array(rest.prefix(count))
  }
}
