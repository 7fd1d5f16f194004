import Testing
import TinctureMergeMethods
import TinctureMergeTesting
import TinctureMerging

/// A method with settings under which it must keep its promises.
struct ConformanceCase: Sendable, CustomStringConvertible {
  let name: String
  var values: [String: ParameterValue] = [:]
  var except: Set<MethodConformance.Promise> = []

  var description: String {
    ([name] + values.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" })
      .joined(separator: ", ")
  }

  static func of(
    _ name: String, _ values: [String: ParameterValue] = [:],
    except: Set<MethodConformance.Promise> = []
  ) -> ConformanceCase {
    ConformanceCase(name: name, values: values, except: except)
  }

  /// The settings of all suites.
  static let everywhere = all + spectral + competing

  static let all: [ConformanceCase] = [
    .of("linear"),
    .of("linear", ["normalize": .bool(false), "weight": .number(0.3)], except: [.equalModels]),
    .of("slerp", ["t": .number(0.3)]),
    .of("nuslerp"),
    .of("nuslerp", ["nuslerp_flatten": .bool(false)]),
    .of("nuslerp", ["nuslerp_flatten": .bool(false), "nuslerp_row_wise": .bool(true)]),
    .of("multislerp"),
    .of("karcher"),
    .of("task_arithmetic", ["lambda": .number(0.3)]),
    .of("task_arithmetic", ["normalize": .bool(true)]),
    .of("ties", ["density": .number(0.4)]),
    .of(
      "ties", ["density": .number(0.4), "selection": .text("threshold"), "rescale": .bool(true)]),
    .of(
      "ties",
      [
        "density": .number(0.2), "trim": .text("global"), "selection": .text("threshold"),
        "zero_sign": .text("majority"),
      ]),
    .of("dare_linear", ["density": .number(0.6)]),
    .of("dare_ties", ["density": .number(0.6), "rescale_rule": .text("density")]),
    .of("dare_ties", ["density": .number(0.3), "rescale": .bool(false)]),
    .of("della", ["density": .number(0.6)]),
    .of("della_linear", ["density": .number(0.6), "rescale_rule": .text("density")]),
    .of("breadcrumbs", ["density": .number(0.5), "gamma": .number(0.1)]),
    .of(
      "breadcrumbs", ["density": .number(0.5), "gamma": .number(0.2), "band": .text("row")]),
    .of("breadcrumbs_ties", ["density": .number(0.7), "rescale": .bool(true)]),
    .of("lines", ["alpha": .number(0.25), "beta": .number(0.5)]),
    .of("lines"),
    .of("sce"),
    .of("sce", ["select_topk": .number(0.4)]),
    .of("model_stock"),
    .of("model_stock", ["filter_wise": .bool(true)]),
    .of("model_stock", ["angle": .text("mean_angle"), "clamp": .bool(true)]),
    .of("nearswap", ["t": .number(0.02)]),
    .of("arcee_fusion"),
    .of("ram"),
    .of("ramplus_tl"),
    .of("wise_ft"),
    .of("awd"),
    .of("ota"),
    .of(
      "ota", ["density": .number(0.5), "fallback": .text("mean"), "approximation": .text("rank1")]),
    .of("ota", ["threshold": .number(0.01), "normalize": .bool(true), "power": .number(1)]),
    .of(
      "ota", ["density": .number(0.5), "aggregation": .text("linear"), "rescale": .bool(true)],
      except: [.equalModels]),
    .of(
      "ota",
      [
        "threshold": .number(0.001), "aggregation": .text("ties"), "ties_density": .number(0.6),
        "rescale": .bool(true), "approximate_norm": .bool(true),
      ], except: [.equalModels]),
    .of("awd", ["lambda": .number(1), "weight": .number(0.5), "tolerance": .number(1e-7)]),
    // Bytes that are only copied are not looked at.
    .of("passthrough", except: [.nonFinite]),
    // Tensors that are no factors of adapters; see RobustMergeTests for those.
    .of("robust_merge"),
    // Tensors without attention, which are copied; see MergeLockTests for others.
    .of("merge_lock", except: [.nonFinite, .seeds]),
    .of("passthrough", ["scale": .number(0.5)], except: [.equalModels]),
    .of("fisher"),
    .of("fisher", ["normalize": .bool(false), "minimal_fisher_weight": .number(0)]),
    .of("fisher", ["normalize_by": .text("tensor"), "floor_scale": .text("relative")]),
    // The first model is another one when the models are reversed.
    .of(
      "fisher", ["favor_target_model": .bool(true), "floor": .text("max")], except: [.symmetry]),
  ]
}

@Suite("Every method keeps the promises of the library")
struct ConformanceTests {
  @Test("In every setting", arguments: ConformanceCase.all)
  func keepsPromises(setting: ConformanceCase) async throws {
    let method = try #require(MethodRegistry.method(named: setting.name))
    let conformance = try MethodConformance(method, values: setting.values, except: setting.except)
    let violations = try await conformance.violations()
    #expect(violations.isEmpty)
  }

  @Test(
    "Every registered method is among the settings", arguments: MethodRegistry.all.map(\.info.name))
  func isCovered(name: String) {
    // It needs a file of scores: see GreedySoupTests.
    if name == "greedy_soup" { return }
    #expect(ConformanceCase.everywhere.contains { $0.name == name })
  }

  @Test("Presets name parameters that exist, with values within their bounds")
  func presets() throws {
    for method in MethodRegistry.all {
      for preset in method.info.presets {
        let values = Dictionary(uniqueKeysWithValues: preset.values.map { ($0.name, $0.value) })
        for (name, value) in values {
          let declaration = try #require(
            method.info.parameters.first { $0.name == name },
            "\(method.info.name), \(preset.name): \(name)")
          #expect(declaration.objection(to: value) == nil)
        }
      }
    }
  }

  @Test("Names and aliases are unique, and found in any spelling")
  func names() {
    let names = MethodRegistry.all.flatMap { [$0.info.name] + $0.info.aliases }
    #expect(Set(names).count == names.count)
    #expect(MethodRegistry.method(named: "Task-Arithmetic")?.info.name == "task_arithmetic")
    #expect(MethodRegistry.method(named: "no such method") == nil)
  }
}
