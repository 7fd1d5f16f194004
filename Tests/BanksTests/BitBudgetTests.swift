import SystemPackage
import Testing
import TinctureMergeTesting
import TinctureSafetensors
import TinctureTensors

@testable import TinctureBanks

@Suite("Bits within a budget")
struct BitBudgetTests {
  private func build(
    _ fixture: BankFixture, _ codec: BankCodec, _ budget: BitBudget?, workers: Int = 2
  ) async throws -> (bank: ExpertBank, error: Double) {
    var models: [(name: String, model: any BankModel)] = []
    for (name, _) in fixture.experts { models.append((name, try fixture.source(name))) }
    let path = fixture.path("b.bank")
    _ = try await BankBuilder(codec: codec, budget: budget, workers: workers).create(
      path, base: try fixture.source("base"), experts: models, replaces: true)
    let bank = try ExpertBank(opening: path)
    let error = bank.manifest.records.values.reduce(0.0) { sum, owners in
      owners.reduce(sum) { $1.key == .shared ? $0 : $0 + $1.value.squaredError }
    }
    return (bank, error)
  }

  private func least(_ fixture: BankFixture, _ codec: BankCodec) async throws -> Int {
    do {
      _ = try await build(fixture, codec, BitBudget(bytes: 1))
    } catch let error as TinctureError {
      #expect(error.code == .usage)
      let numbers = error.message.split(whereSeparator: { !$0.isNumber }).compactMap { Int($0) }
      return try #require(numbers.first)
    }
    throw TinctureError(.internalError, "A budget of one byte was enough.")
  }

  static let codecs = [
    BankCodec(.tvq), BankCodec(.affine), BankCodec(.rtvq), BankCodec(.rtvq, correctsErrors: false),
    BankCodec(.tvq, grouping: .run(64), clips: true), BankCodec(.rtvq, grouping: .row),
  ]

  @Test("The file keeps to the budget, and more bytes lose less", arguments: codecs)
  func budgets(codec: BankCodec) async throws {
    let fixture = try BankFixture()
    let least = try await least(fixture, codec)
    var errors: [Double] = []
    for further in [0, 3000, 6000, 12000] {
      let (bank, error) = try await build(fixture, codec, BitBudget(bytes: least + further))
      #expect(bank.file.size <= least + further)
      #expect(try bank.faults().isEmpty)
      errors.append(error)
    }
    #expect(errors == errors.sorted(by: >))
    #expect(errors[0] > 2 * errors[3])
  }

  @Test("A width for each tensor loses no more than one for the bank", arguments: codecs)
  func scopes(codec: BankCodec) async throws {
    let fixture = try BankFixture()
    let bytes = try await least(fixture, codec) + 4000
    let (bank, whole) = try await build(fixture, codec, BitBudget(bytes: bytes, scope: .bank))
    let (_, each) = try await build(fixture, codec, BitBudget(bytes: bytes))
    #expect(each <= whole * (1 + 1e-9))
    // One width for the bank is that of the settings, and making the bank by them gives the same.
    let settings = try #require(bank.manifest.experts.first?.codec)
    #expect(!settings.varies)
    let (again, error) = try await build(fixture, settings, nil)
    #expect(again.manifest.records == bank.manifest.records)
    #expect((error - whole).magnitude <= 1e-12 * whole)
  }

  @Test("The number of workers does not show")
  func workers() async throws {
    let fixture = try BankFixture()
    let codec = BankCodec(.rtvq)
    let budget = BitBudget(bytes: try await least(fixture, codec) + 5000)
    var files: [[UInt8]] = []
    for workers in [1, 4] {
      let (bank, _) = try await build(fixture, codec, budget, workers: workers)
      files.append(try bank.file.contents())
    }
    #expect(files[0] == files[1])
  }

  @Test("An expert added later is stored with the typical width")
  func addition() async throws {
    let fixture = try BankFixture(experts: 4)
    let codec = BankCodec(.tvq)
    let (bank, _) = try await build(
      fixture, codec, BitBudget(bytes: try await least(fixture, codec) + 5000))
    let settings = try #require(bank.manifest.experts.first?.codec)
    #expect(settings.varies)
    #expect(settings.text.contains("about"))
    #expect(BitBudget.widths.contains(settings.bits))
  }

  @Test("Codecs without widths take no budget", arguments: [BankCodec.Kind.raw, .tall, .emr])
  func without(kind: BankCodec.Kind) async throws {
    let fixture = try BankFixture()
    await #expect(throws: TinctureError.self) {
      _ = try await build(fixture, BankCodec(kind), BitBudget(bytes: 1_000_000))
    }
  }

  /// A tensor whose codes lose what its own scale says at every width.
  private func table(_ name: String, _ scales: [Double], bytes: Int) -> WidthTable {
    var costs: [[Int: WidthTable.Cost]] = []
    for scale in scales {
      var own: [Int: WidthTable.Cost] = [:]
      for bits in BitBudget.widths {
        own[bits] = .init(bytes: bits * bytes, error: scale / Double(1 << (2 * bits)))
      }
      costs.append(own)
    }
    return WidthTable(
      tensor: name, fixedBytes: 10, experts: scales.indices.map { "e\($0)" }, shared: [0: 0],
      own: [0: costs])
  }

  @Test("What is chosen is the best of all choices that take as many bytes")
  func bruteForce() throws {
    let tables = [table("a", [40, 3], bytes: 7), table("b", [900], bytes: 7)]
    let start = TensorWidths(BankCodec(.tvq))
    for budget in stride(from: 20 + 6 * 7, through: 20 + 24 * 7, by: 7) {
      let chosen = try BitAllocation.widths(
        tables, BitBudget(bytes: budget), extra: 0, from: start)
      func error(_ a: Int, _ b: Int, _ c: Int) -> Double {
        40 / Double(1 << (2 * a)) + 3 / Double(1 << (2 * b)) + 900 / Double(1 << (2 * c))
      }
      var best = Double.infinity
      for a in BitBudget.widths {
        for b in BitBudget.widths {
          for c in BitBudget.widths where 20 + 7 * (a + b + c) <= budget {
            best = min(best, error(a, b, c))
          }
        }
      }
      let a = try #require(chosen["a"])
      let b = try #require(chosen["b"])
      #expect((error(a["e0"], a["e1"], b["e0"]) - best).magnitude <= 1e-12 * best)
    }
  }

  @Test("Choices of a tensor save less and less with every further byte")
  func hull() {
    let hull = table("a", [5, 100, 0.1], bytes: 3).hull(TensorWidths(BankCodec(.tvq)))
    #expect(hull.count > 10)
    var last = Double.infinity
    for (from, to) in zip(hull, hull.dropFirst()) {
      #expect(to.cost.bytes > from.cost.bytes)
      let rate = WidthTable.rate(from: from, to: to)
      #expect(rate <= last && rate > 0)
      last = rate
    }
  }
}
