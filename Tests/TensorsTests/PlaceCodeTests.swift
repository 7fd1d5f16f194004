import Foundation
import Testing
import TinctureTensors

@Suite("Codes of places")
struct PlaceCodeTests {
  private typealias Places = ContiguousArray<UInt32>

  private func places(_ density: Double, of length: Int, seed: UInt64 = 1) -> Places {
    let random = CounterRandom(seed: seed, tensor: "places", purpose: "test")
    return Places((0..<length).filter { random.uniform(at: $0) < density }.map { UInt32($0) })
  }

  private func code(_ places: Places, of length: Int) -> [UInt8] {
    var bytes: [UInt8] = []
    PlaceCode.append(places.span, of: length, to: &bytes)
    return bytes
  }

  private func read(_ bytes: [UInt8], count: Int, length: Int) -> Places? {
    var places = Places([7])
    let padded = [3] + bytes + [UInt8](repeating: 0xff, count: 8)
    let isCode = PlaceCode.read(
      1..<1 + bytes.count, of: padded, count: count, length: length, into: &places)
    return isCode ? Places(places.dropFirst()) : nil
  }

  /// The documented code, bit by bit; nil for what is none.
  private func twin(_ bytes: [UInt8], count: Int, length: Int) -> Places? {
    guard let kind = bytes.first else { return count == 0 ? [] : nil }
    guard count > 0 else { return nil }
    var bits = bytes.dropFirst().flatMap { byte in (0..<8).map { byte >> UInt8($0) & 1 == 1 } }[...]
    var places = Places()
    if kind == 255 {
      guard bytes.count == 1 + (length + 7) / 8, !bits[length...].contains(true) else { return nil }
      places = Places(bits[..<length].indices.filter { bits[$0] }.map { UInt32($0) })
      return places.count == count ? places : nil
    }
    guard kind <= 20 else { return nil }
    var next = 0
    for _ in 0..<count {
      var gap = 0
      while let bit = bits.popFirst(), !bit { gap += 1 << Int(kind) }
      guard bits.count >= Int(kind), bits.startIndex > 0 else { return nil }
      for place in 0..<Int(kind) where bits.removeFirst() { gap |= 1 << place }
      guard next + gap < length else { return nil }
      places.append(UInt32(next + gap))
      next += gap + 1
    }
    return bits.count < 8 && !bits.contains(true) ? places : nil
  }

  @Test(
    "Any places are read back, as documented", arguments: [0, 0.001, 0.01, 0.1, 0.4, 0.8, 1])
  func roundTrip(density: Double) {
    for length in [1, 7, 8, 9, 63, 64, 65, 1000, 4096] {
      let places = places(density, of: length, seed: UInt64(length))
      let bytes = code(places, of: length)
      #expect(bytes.count <= PlaceCode.largestSize(length))
      #expect(bytes.isEmpty == places.isEmpty)
      #expect(read(bytes, count: places.count, length: length) == places)
      #expect(twin(bytes, count: places.count, length: length) == places)
    }
  }

  @Test("Rare places and places far apart are read back")
  func extremes() {
    let length = PlaceCode.largestLength
    let last = UInt32(length - 1)
    for places: Places in [[0], [last], [0, last], [5, 6, 7, last]] {
      #expect(
        read(code(places, of: length), count: places.count, length: length) == places)
    }
  }

  @Test("An example: the gaps 2, 0 and 9 in codes of width 1")
  func example() {
    // 2 → 0 1 0, 0 → 1 0, 9 → 0 0 0 0 1 1; the lowest bit first.
    let bytes: [UInt8] = [1, 0b0000_1010, 0b0000_0110]
    #expect(read(bytes, count: 3, length: 14) == [2, 3, 13])
    #expect(twin(bytes, count: 3, length: 14) == [2, 3, 13])
    #expect(read(bytes, count: 3, length: 13) == nil)
  }

  @Test(
    "Random places take about their entropy", arguments: [0.002, 0.01, 0.05, 0.1, 0.2, 0.3, 0.5])
  func entropy(density: Double) {
    let length = 1 << 16
    let places = places(density, of: length)
    let share = Double(places.count) / Double(length)
    let entropy = -(share * log2(share) + (1 - share) * log2(1 - share))
    let bits = Double(8 * code(places, of: length).count)
    #expect(bits < 1.05 * entropy * Double(length))
    #expect(bits > 0.99 * entropy * Double(length))
  }

  @Test("Bytes are codes for the reader exactly where the documented code says so")
  func damaged() {
    for (density, length) in [(0.1, 300), (0.6, 77), (0.01, 1000)] {
      let places = places(density, of: length)
      let bytes = code(places, of: length)
      for index in bytes.indices {
        for change in [1, 2, 4, 8, 16, 32, 64, 128, 255] as [UInt8] {
          var damaged = bytes
          damaged[index] ^= change
          #expect(
            read(damaged, count: places.count, length: length)
              == twin(damaged, count: places.count, length: length))
        }
      }
      #expect(read(Array(bytes.dropLast()), count: places.count, length: length) == nil)
      #expect(read(bytes + [0], count: places.count, length: length) == nil)
      #expect(read(bytes, count: places.count + 1, length: length) == nil)
      #expect(read(bytes, count: places.count - 1, length: length) == nil)
    }
  }

  @Test(
    "The places of set bits are those that are asked for", arguments: [0, 1, 8, 63, 64, 65, 200])
  func setBits(count: Int) {
    let random = CounterRandom(seed: 2, tensor: "bits", purpose: "test")
    let bytes = ContiguousArray((0..<32).map { UInt8(truncatingIfNeeded: random.bits(at: $0)) })
    var places = Places([9, 9])
    PlaceCode.setBits(bytes.span, count: count, into: &places)
    #expect(
      places
        == Places((0..<count).filter { bytes[$0 / 8] >> UInt8($0 % 8) & 1 == 1 }.map { UInt32($0) })
    )
  }
}
