import Foundation
import SystemPackage
import Testing
import TinctureTensors
import TinctureMerging
import TinctureCheckpoints
import TinctureJSON
import TinctureLinearAlgebra
import TinctureMergeTesting
import TinctureSafetensors

@testable import TinctureAdapters

/// A combination that PEFT made.
struct AdapterGolden: Sendable, CustomStringConvertible {
  let id: String
  let mode: CombinationMode
  let inputs: String
  let weights: [Double]
  let options: CombinationOptions
  let expected: String
  let atol: Double
  let rtol: Double
  let alphas: [Double]
  let ranks: [Int]

  var description: String { id }

  static let directory = FilePath((Bundle.module.resourcePath ?? "") + "/Fixtures/golden")
  static let all = (try? load()) ?? []

  private static func load() throws -> [AdapterGolden] {
    let manifest = try JSONValue(
      parsing: InputFile(opening: directory.appending("lora.json")).contents())
    return (manifest["cases"]?.arrayValue ?? []).compactMap { AdapterGolden($0, manifest) }
  }

  private init?(_ json: JSONValue, _ manifest: JSONValue) {
    guard let id = json["id"]?.stringValue, let method = json["method"]?.stringValue,
      let mode = CombinationMode(named: String(method.dropFirst("lora_".count))),
      let inputs = json["inputs"]?.stringValue, let expected = json["expected"]?.stringValue,
      let atol = json["atol"]?.doubleValue, let rtol = json["rtol"]?.doubleValue
    else { return nil }
    let parameters = json["parameters"]
    self.id = id
    self.mode = mode
    self.inputs = inputs
    self.expected = expected
    self.atol = atol
    self.rtol = rtol
    weights = (parameters?["weights"]?.arrayValue ?? []).compactMap(\.doubleValue)
    options = CombinationOptions(
      density: parameters?["density"]?.doubleValue ?? 1,
      majoritySign: (parameters?["majority_sign_method"]?.stringValue).flatMap {
        MajoritySign(rawValue: $0)
      } ?? .total, rank: parameters?["svd_rank"]?.intValue)
    let source = manifest["inputs"]?[inputs]
    alphas = (source?["lora_alpha"]?.arrayValue ?? []).compactMap(\.doubleValue)
    ranks = (source?["rank"]?.arrayValue ?? []).compactMap(\.intValue)
  }

  /// The adapters of the case, written as PEFT does.
  func adapters(in directory: ScratchDirectory) throws -> [Adapter] {
    try ranks.indices.map { index in
      let model = try TinyModel(
        reading: Self.directory.pushing(FilePath("inputs/\(inputs).model\(index).safetensors")))
      var adapter = TestAdapter()
      adapter.settings["r"] = .integer(ranks[index])
      adapter.settings["lora_alpha"] = .number(String(alphas[index]))
      for var tensor in model.tensors {
        let name = String(tensor.name.dropLast(2))
        tensor.name = "base_model.model.\(name).lora_\(tensor.name.suffix(1)).weight"
        adapter.tensors.append(tensor)
      }
      return try adapter.open("\(inputs)\(index)", in: directory)
    }
  }
}

@Suite("Combinations against PEFT", .enabled(if: Backend.isAvailable))
struct AdapterGoldenTests {
  @Test("All recorded combinations are there")
  func complete() { #expect(AdapterGolden.all.count == 10) }

  @Test("A combination is what PEFT makes of it", arguments: AdapterGolden.all)
  func agrees(golden: AdapterGolden) async throws {
    let bench = try Bench()
    let changes = try await bench.combined(
      golden.adapters(in: bench.directory), golden.weights, golden.mode, golden.options)
    let expected = try TinyModel(
      reading: AdapterGolden.directory.pushing(FilePath(golden.expected)))
    for layer in ["q", "v"] {
      let got = try #require(changes[layer])
      let wanted = try #require(expected[layer + ".delta"])
      try #require(got.count == wanted.count)
      let worst = zip(got, wanted).map { got, wanted in
        (got - Double(wanted)).magnitude / (golden.atol + golden.rtol * Double(wanted.magnitude))
      }.max()
      #expect(worst ?? .infinity <= 1, "\(golden.id), layer \(layer)")
    }
    let settings = try bench.configuration("combined")
    #expect(settings["r"]?.intValue == settings["lora_alpha"]?.intValue)
  }
}
