import Foundation
import SystemPackage
import Testing
import TinctureCheckpoints
import TinctureJSON
import TinctureMergeMethods
import TinctureMergeTesting
import TinctureMerging
import TinctureSafetensors

/// A recorded merge of a published implementation.
struct Golden: Sendable, CustomStringConvertible {
  let id: String
  let method: String
  let inputs: String
  let models: [Int]
  let usesBase: Bool
  let values: [String: ParameterValue]
  let perModel: [String: [ParameterValue]]
  let expected: String
  let side: String?
  let atol: Float
  let rtol: Float

  var description: String { id }

  static let directory = FilePath((Bundle.module.resourcePath ?? "") + "/Fixtures/golden")
  static let all = (try? load("manifest.json")) ?? []
  /// Cases that need BLAS.
  static let spectral = (try? load("spectral.json")) ?? []

  /// Cases that need the layers of tensors, which a plan knows.
  static let layered = (try? load("layered.json")) ?? []
  /// Cases of methods in which models compete for elements.
  static let masks = (try? load("masks.json")) ?? []

  /// Cases with statistics.
  static let measured = (try? load("statistics.json")) ?? []

  private static func load(_ name: String) throws -> [Golden] {
    let manifest = try JSONValue(
      parsing: InputFile(opening: directory.appending(name)).contents())
    return (manifest["cases"]?.arrayValue ?? []).compactMap { Golden($0) }
  }

  private init?(_ json: JSONValue) {
    guard let id = json["id"]?.stringValue, let method = json["method"]?.stringValue,
      let inputs = json["inputs"]?.stringValue, let expected = json["expected"]?.stringValue,
      let atol = json["atol"]?.doubleValue, let rtol = json["rtol"]?.doubleValue
    else { return nil }
    var values: [String: ParameterValue] = [:]
    var perModel: [String: [ParameterValue]] = [:]
    for (name, value) in json["parameters"]?.objectValue?.members ?? [] {
      if let list = value.arrayValue {
        perModel[name] = list.compactMap(\.doubleValue).map { .number($0) }
      } else if let flag = value.boolValue {
        values[name] = .bool(flag)
      } else if let number = value.doubleValue {
        values[name] = .number(number)
      } else if let text = value.stringValue {
        values[name] = .text(text)
      }
    }
    self.id = id
    self.method = method
    self.inputs = inputs
    self.expected = expected
    self.values = values
    self.perModel = perModel
    models = (json["models"]?.arrayValue ?? []).compactMap(\.intValue)
    usesBase = json["uses_base"]?.boolValue ?? false
    side = json["side"]?.stringValue
    self.atol = Float(atol)
    self.rtol = Float(rtol)
  }

  /// The base, whether the case uses it or not.
  func base() throws -> TinyModel { try read("inputs/\(inputs).base.safetensors") }

  /// The models, in the order of the case.
  func sources() throws -> [TinyModel] {
    try models.map { try read("inputs/\(inputs).model\($0).safetensors") }
  }

  func read(_ path: String) throws -> TinyModel {
    try TinyModel(reading: Self.directory.pushing(FilePath(path)))
  }

  /// The recorded masks of a model, by tensor.
  func mask(model: Int) throws -> [String: [UInt8]] {
    let side = try Checkpoint.open(Self.directory.pushing(FilePath(try #require(side))))
    let prefix = "mask\(model)."
    var masks: [String: [UInt8]] = [:]
    for name in side.names where name.hasPrefix(prefix) {
      let entry = try #require(side[name])
      masks[String(name.dropFirst(prefix.count))] = try entry.file.bytes(
        at: entry.tensor.byteOffset, count: entry.tensor.byteCount)
    }
    return masks
  }

  /// A merge of these models with the case's method and parameters, some of them changed.
  func trial(_ models: [TinyModel], changing changes: [String: ParameterValue] = [:]) throws
    -> MergeTrial
  {
    let method = try #require(MethodRegistry.method(named: method))
    let parameters = try ResolvedParameters(
      for: method.info, values.merging(changes) { $1 },
      perModel: perModel.filter { changes[$0.key] == nil }, modelCount: models.count)
    return MergeTrial(
      method, base: usesBase ? try base() : nil, models: models, parameters: parameters)
  }

  /// Where an output lies outside of the tolerance.
  func differences(of model: TinyModel) throws -> [String] {
    let expected = try read(expected)
    var found: [String] = []
    if Set(expected.tensors.map(\.name)) != Set(model.tensors.map(\.name)) {
      found.append("the tensors are \(model.tensors.map(\.name))")
    }
    for tensor in expected.tensors {
      let values = model[tensor.name] ?? []
      guard values.count == tensor.values.count else {
        found.append("\(tensor.name) has \(values.count) elements")
        continue
      }
      let wrong = values.indices.filter { index in
        let want = tensor.values[index]
        return !((values[index] - want).magnitude <= atol + rtol * want.magnitude)
      }
      if let first = wrong.first {
        found.append(
          "\(tensor.name): \(wrong.count) of \(values.count), e.g. [\(first)] \(values[first])"
            + " instead of \(tensor.values[first])")
      }
    }
    return found
  }
}
