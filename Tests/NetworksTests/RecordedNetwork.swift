import Foundation
import SystemPackage
import TinctureJSON
import TinctureNetworks
import TinctureSafetensors
import TinctureTensors
import TinctureTorch

/// What PyTorch computed with a network: its configuration, parameters, inputs, outputs and gradients.
struct RecordedNetwork {
  let configuration: JSONValue
  private let file: SafetensorsFile
  private let places: [String: StoredTensor]

  static var folder: FilePath { FilePath((Bundle.module.resourcePath ?? "") + "/Fixtures") }

  init(_ name: String) throws {
    file = try SafetensorsFile(opening: Self.folder.appending(name + ".safetensors"))
    places = Dictionary(uniqueKeysWithValues: file.header.tensors.map { ($0.name, $0) })
    let text = file.header.metadata.first { $0.key == "configuration" }?.value ?? "null"
    configuration = try JSONValue(parsing: text)
  }

  /// A tensor by its full name, or nil when it was not recorded.
  func optional(_ name: String) throws -> TorchTensor? {
    guard let place = places[name] else { return nil }
    let bytes = try file.file.bytes(at: place.byteOffset, count: place.byteCount)
    return try bytes.withUnsafeBytes {
      try TorchTensor(copying: $0, shape: place.shape.extents, dtype: place.dtype)
    }
  }

  func callAsFunction(_ name: String) throws -> TorchTensor {
    guard let tensor = try optional(name) else {
      throw TinctureError(.missingInput, "The fixture has no \(name).")
    }
    return tensor
  }

  /// The names of a group without the group.
  func names(_ group: String) -> [String] {
    places.keys.filter { $0.hasPrefix(group + "/") }.map { String($0.dropFirst(group.count + 1)) }
      .sorted()
  }

  /// The extents of all parameters.
  var shapes: [String: [Int]] {
    Dictionary(
      uniqueKeysWithValues: names("parameters").map {
        ($0, places["parameters/" + $0]?.shape.extents ?? [])
      })
  }

  /// All parameters, as variables when gradients are asked for.
  func parameters(requiringGradients: Bool = false) throws -> Parameters {
    var tensors: [String: TorchTensor] = [:]
    for name in names("parameters") {
      let tensor = try self("parameters/" + name)
      tensors[name] = requiringGradients ? try tensor.requiringGradient() : tensor
    }
    return Parameters(tensors)
  }

  var batch: TokenBatch {
    get throws {
      try TokenBatch(
        ids: self("inputs/ids"), mask: optional("inputs/mask"), types: optional("inputs/types"))
    }
  }

  /// The largest difference of a result to the recorded one.
  func distance(_ result: TorchTensor, _ name: String) throws -> Double {
    let recorded = try self(name)
    guard recorded.shape == result.shape else { return .infinity }
    let pairs = zip(try result.array(as: Double.self), try recorded.array(as: Double.self))
    let largest = pairs.map { abs($0 - $1) }.reduce(0) { $1.isNaN ? .infinity : max($0, $1) }
    print("parity: \(name) \(result.shape) \(largest)")
    return largest
  }

  /// The largest difference of a gradient of sum(output · cotangent) to the recorded ones.
  func gradientDistance(
    _ output: (Parameters) throws -> TorchTensor
  ) throws -> Double {
    let variables = try parameters(requiringGradients: true)
    let loss = try (output(variables) * self("inputs/cotangent")).sum()
    let names = names("gradients")
    let found = try gradients(of: loss, withRespectTo: names.map { try variables($0) })
    return try zip(names, found).map { try distance($1, "gradients/" + $0) }.max() ?? .infinity
  }
}
