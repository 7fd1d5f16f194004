import Testing
import TinctureMergeTesting
import TinctureMerging
import TinctureTensors

@testable import TinctureMergeMethods

/// Inputs that lie in files in one type are summed as they are stored.
///
/// With one of them in a wider type, which changes none of its numbers, they take the way of all other methods.
@Suite("Weighted sums straight from files")
struct WeightedSumTests {
  private struct Setting: Sendable, CustomTestStringConvertible {
    let name: String
    var values: [String: ParameterValue] = [:]
    var perModel: [String: [ParameterValue]] = [:]

    var testDescription: String { name }
  }

  private static let settings = [
    Setting(name: "linear", perModel: ["weight": [.number(0.7), .number(-0.4), .number(1.3)]]),
    Setting(
      name: "task_arithmetic", values: ["lambda": .number(0.6)],
      perModel: ["weight": [.number(0.7), .number(-0.4), .number(1.3)]]),
    Setting(name: "mwa", perModel: ["metric": [.number(0.5), .number(1.25), .number(3)]]),
    Setting(name: "delta_guided"),
  ]

  /// Several blocks and windows, and a last vector that is not full.
  private static let elements = 150_021

  /// The same merge with inputs of one type, and with a first input of another.
  private func trials(_ setting: Setting, _ dtype: DType) throws -> [MergeTrial] {
    let method = try #require(MethodRegistry.method(named: setting.name))
    func model(_ number: Int, _ dtype: DType) -> TinyModel {
      let random = CounterRandom(seed: 5, tensor: "w", model: number, purpose: "test")
      let values = (0..<Self.elements).map { Float(random.bits(at: $0) % 255) / 32 - 4 }
      return TinyModel([.init("w", dtype, shape: Shape(vector: Self.elements), values)])
    }
    let parameters = try ResolvedParameters(
      for: method.info, setting.values, perModel: setting.perModel, modelCount: 3)
    return [dtype, .f64].map { first in
      var trial = MergeTrial(
        method, base: method.info.base == .required ? model(9, dtype) : nil,
        models: [model(0, first), model(1, dtype), model(2, dtype)], parameters: parameters)
      trial.outputType = dtype
      return trial
    }
  }

  @Test("Give the same bytes", arguments: settings, [DType.bf16, .f16, .f32])
  private func sameBytes(setting: Setting, dtype: DType) async throws {
    var outputs: [[UInt8]] = []
    for var trial in try trials(setting, dtype) {
      outputs.append(try await trial.run().bytes)
      trial.cutLength = 40_001
      guard trial.method.isElementwise(trial.parameters) else { continue }
      #expect(try await trial.run().bytes == outputs.last)
    }
    #expect(outputs[0] == outputs[1])
  }

  @Test("Treat what is not finite alike", arguments: settings, [DType.bf16, .f32])
  private func nonFinite(setting: Setting, dtype: DType) async throws {
    for choice in MergeOptions.NonFinite.allCases {
      var outcomes: [String] = []
      for var trial in try trials(setting, dtype) {
        trial.options.nonFinite = choice
        for (element, value) in [(20_000, Float.infinity), (20_001, -.infinity), (140_000, .nan)] {
          trial.models[2].replace(element, of: "w", by: value)
        }
        do throws(TinctureError) {
          outcomes.append("\(try await trial.run().bytes.hashValue)")
        } catch {
          #expect(choice == .error)
          outcomes.append("\(error.message) \(error.place.model ?? "") \(error.place.tensor ?? "")")
        }
      }
      #expect(outcomes[0] == outcomes[1])
      #expect((choice == .error) == outcomes[0].hasPrefix("Element 20000 is inf"))
    }
  }

  @Test("Let finite numbers grow beyond the type", arguments: [DType.bf16, .f32])
  func overflow(dtype: DType) async throws {
    let weights: [ParameterValue] = [.number(2e38), .number(2e38), .number(-1)]
    var outputs: [TinyModel] = []
    let setting = Setting(name: "task_arithmetic", perModel: ["weight": weights])
    for trial in try trials(setting, dtype) { outputs.append(try await trial.run().model) }
    let (stored, widened) = (try #require(outputs[0]["w"]), try #require(outputs[1]["w"]))
    #expect(stored.contains(.infinity))
    #expect(zip(stored, widened).allSatisfy { $0 == $1 || ($0.isNaN && $1.isNaN) })
  }
}
