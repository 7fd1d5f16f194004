import Testing
import TinctureTensors

@Suite("Products of matrices for layers")
struct ProductKernelTests {
  /// How a factor lies in memory.
  enum Order: CaseIterable {
    case rows, columns

    func factor(_ start: UnsafePointer<Float>, rows: Int, columns: Int) -> Kernels.Factor {
      switch self {
      case .rows: .init(start, row: columns, column: 1)
      case .columns: .init(start, row: 1, column: rows)
      }
    }

    func place(_ i: Int, _ j: Int, rows: Int, columns: Int) -> Int {
      self == .rows ? i * columns + j : j * rows + i
    }
  }

  static func numbers(_ count: Int, seed: UInt64) -> [Float] {
    let random = CounterRandom(seed: seed, tensor: "x", purpose: "test")
    return (0..<count).map { Float(random.uniform(at: $0)) * 2 - 1 }
  }

  /// The product with an unused column behind every row, which must stay as it is.
  static func product(
    _ x: [Float], _ first: Order, _ y: [Float], _ second: Order, bias: [Float]?,
    _ rows: Int, _ columns: Int, _ inner: Int, band: Range<Int>? = nil, strip: Range<Int>? = nil
  ) -> [Float] {
    let (band, strip) = (band ?? 0..<rows, strip ?? 0..<columns)
    var z = [Float](repeating: 77, count: band.count * (strip.count + 1))
    x.withUnsafeBufferPointer { x in
      y.withUnsafeBufferPointer { y in
        z.withUnsafeMutableBufferPointer { z in
          (bias ?? []).withUnsafeBufferPointer { added in
            guard let from = x.baseAddress, let by = y.baseAddress, let to = z.baseAddress else {
              return
            }
            Kernels.multiply(
              first.factor(from, rows: rows, columns: inner).from(band.lowerBound, 0),
              second.factor(by, rows: inner, columns: columns).from(0, strip.lowerBound),
              bias: bias == nil ? nil : added.baseAddress.map { $0 + strip.lowerBound }, into: to,
              rowsApart: strip.count + 1, rows: band.count, columns: strip.count, inner: inner)
          }
        }
      }
    }
    return z
  }

  @Test(
    "Products of all extents and orders are those of double precision, and nothing beside is written",
    arguments: [
      (1, 1, 1), (1, 40, 3), (13, 31, 15), (14, 32, 16), (15, 33, 17), (29, 65, 256), (7, 5, 257),
      (450, 34, 40), (30, 20, 700), (3, 100, 513),
    ])
  func accuracy(rows: Int, columns: Int, inner: Int) {
    let x = Self.numbers(rows * inner, seed: 1)
    let y = Self.numbers(inner * columns, seed: 2)
    let bias = Self.numbers(columns, seed: 3)
    for first in Order.allCases {
      for second in Order.allCases {
        for added in [nil, bias] {
          let z = Self.product(x, first, y, second, bias: added, rows, columns, inner)
          var worst = 0.0
          for i in 0..<rows {
            #expect(z[i * (columns + 1) + columns] == 77)
            for j in 0..<columns {
              var (sum, size) = (Double(added?[j] ?? 0), abs(Double(added?[j] ?? 0)))
              for p in 0..<inner {
                let term =
                  Double(x[first.place(i, p, rows: rows, columns: inner)])
                  * Double(y[second.place(p, j, rows: inner, columns: columns)])
                (sum, size) = (sum + term, size + abs(term))
              }
              worst = max(worst, abs(Double(z[i * (columns + 1) + j]) - sum) / max(size, 1e-30))
            }
          }
          #expect(worst < 4e-6, "\(first) \(second) \(added != nil)")
        }
      }
    }
  }

  @Test("Parts of a product computed apart have the same bits")
  func parts() {
    let (rows, columns, inner) = (61, 90, 300)
    let x = Self.numbers(rows * inner, seed: 4)
    let y = Self.numbers(inner * columns, seed: 5)
    let bias = Self.numbers(columns, seed: 6)
    let whole = Self.product(x, .rows, y, .columns, bias: bias, rows, columns, inner)
    for (band, strip) in [(0..<17, 0..<33), (17..<61, 33..<90), (5..<6, 1..<2)] {
      let part = Self.product(
        x, .rows, y, .columns, bias: bias, rows, columns, inner, band: band, strip: strip)
      for (i, row) in band.enumerated() {
        let found = part[i * (strip.count + 1)..<(i + 1) * (strip.count + 1) - 1]
        let start = row * (columns + 1)
        #expect(
          found.elementsEqual(whole[start + strip.lowerBound..<start + strip.upperBound]))
      }
    }
  }

  @Test("A NaN reaches its row and column only, and an empty sum is the bias")
  func special() {
    var x = Self.numbers(20 * 8, seed: 7)
    x[3 * 8 + 2] = .nan
    let y = Self.numbers(8 * 40, seed: 8)
    let z = Self.product(x, .rows, y, .rows, bias: nil, 20, 40, 8)
    for i in 0..<20 {
      for j in 0..<40 { #expect(z[i * 41 + j].isNaN == (i == 3)) }
    }
    let bias = Self.numbers(40, seed: 9)
    let empty = Self.product([0], .rows, [0], .rows, bias: bias, 2, 40, 0)
    #expect(Array(empty[0..<40]) == bias && Array(empty[41..<81]) == bias)
  }

  @Test("Sums of columns", arguments: [(1, 1), (64, 64), (65, 130), (1000, 3)])
  func sums(rows: Int, columns: Int) {
    let x = Self.numbers(rows * (columns + 2), seed: 10)
    var found = [Float](repeating: 77, count: columns + 1)
    x.withUnsafeBufferPointer { x in
      found.withUnsafeMutableBufferPointer { found in
        guard let from = x.baseAddress, let to = found.baseAddress else { return }
        Kernels.columnSums(
          from, rowsApart: columns + 2, rows: rows, columns: columns, into: to)
      }
    }
    for j in 0..<columns {
      let sum = (0..<rows).reduce(0.0) { $0 + Double(x[$1 * (columns + 2) + j]) }
      #expect(abs(Double(found[j]) - sum) < 2e-7 * Double(rows).squareRoot() * 8)
    }
    #expect(found[columns] == 77)
  }
}
