import SystemPackage
import Testing
import TinctureBanks
import TinctureLinearAlgebra
import TinctureMergeTesting
import TinctureTensors

@Suite("Banks of singular values", .enabled(if: Backend.isAvailable, "no BLAS on this machine"))
struct LowRankBankTests {
  private static let matrices = ["a.weight", "b.weight"]

  private func difference(_ fixture: BankFixture, _ expert: String, _ name: String) throws
    -> (values: [Float], shape: Shape)
  {
    let model = try fixture.expert(expert)
    let tensor = try #require(model.tensors.first { $0.name == name })
    let base = try #require(fixture.base[name])
    return (zip(tensor.values, base).map { $0 - $1 }, tensor.shape)
  }

  @Test("What is lost is what the singular values that are left out hold", arguments: [1, 5, 12])
  func loss(count: Int) async throws {
    let fixture = try BankFixture()
    let bank = try await fixture.create(BankCodec(.svd, rank: .count(count)))
    #expect(try bank.faults().isEmpty)
    for (name, model) in fixture.experts {
      let read = try fixture.read(name)
      for tensor in model.tensors {
        let values = try #require(read[tensor.name])
        guard Self.matrices.contains(tensor.name) else {
          if tensor.shape.rank != 2 { #expect(values == tensor.values, "\(tensor.name)") }
          continue
        }
        let (own, shape) = try difference(fixture, name, tensor.name)
        let sigma = try Backend.shared.singularValues(
          Matrix(rows: shape.extents[0], columns: shape.extents[1], own.map { Double($0) }))
        let left = sigma.dropFirst(count).reduce(0) { $0 + $1 * $1 }
        let record = try #require(try bank.record(tensor.name, of: name))
        #expect(record.content == .lowRank(count))
        #expect((record.squaredError - left).magnitude <= 1e-4 * left)
        let lost = zip(values, tensor.values).reduce(0.0) {
          $0 + Double($1.0 - $1.1) * Double($1.0 - $1.1)
        }
        #expect((lost - left).magnitude <= 1e-3 * left)
      }
    }
  }

  @Test("Without a rank each of the experts has its share, which later ones get, too")
  func share() async throws {
    let fixture = try BankFixture(experts: 4)
    let bank = try await fixture.create(BankCodec(.svd), ["e0", "e1", "e2"])
    // A third of 29 and of 64, rounded down.
    #expect(try bank.record("a.weight", of: "e0")?.content == .lowRank(9))
    #expect(try bank.record("b.weight", of: "e0")?.content == .lowRank(21))
    let codec = try #require(bank.manifest.experts.first?.codec)
    #expect(codec.rank == .share(1 / 3.0))
    try await fixture.add("e3", codec)
    let added = try ExpertBank(opening: fixture.path("x.bank"))
    #expect(try added.record("b.weight", of: "e3")?.content == .lowRank(21))
    #expect(added.manifest.experts.map(\.codec.rank) == Array(repeating: codec.rank, count: 4))
  }

  @Test("Factors of 16 bits take half the room and lose hardly more")
  func halfPrecision() async throws {
    let fixture = try BankFixture()
    var errors: [Int: Double] = [:]
    var bytes: [Int: Int] = [:]
    for bits in [32, 16] {
      let bank = try await fixture.create(BankCodec(.svd, bits: bits, rank: .count(6)))
      #expect(try bank.faults().isEmpty)
      let record = try #require(try bank.record("b.weight", of: "e1"))
      errors[bits] = record.squaredError
      bytes[bits] = bank.byteCount("b.weight", of: .expert("e1"))
    }
    let (half, full) = (try #require(errors[16]), try #require(errors[32]))
    #expect(half < 1.001 * full)
    let elements = (64 + 130) * 6
    #expect(bytes[16] == elements * 2 + 24)
    #expect(bytes[32] == elements * 4 + 24)
  }

  @Test("Factors that would take more room than the matrix are not made")
  func fullRank() async throws {
    let fixture = try BankFixture(dtype: .bf16)
    let bank = try await fixture.create(BankCodec(.svd, rank: .share(1)))
    let record = try #require(try bank.record("a.weight", of: "e0"))
    #expect(record.content == .elements)
    #expect(record.squaredError == 0)
  }
}
