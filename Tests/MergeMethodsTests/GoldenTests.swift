import Testing
import TinctureMergeTesting
import TinctureMerging

@Suite("Merges that mergekit made")
struct GoldenTests {
  @Test("The recorded cases are all there")
  func count() { #expect(Golden.all.count == 43) }

  @Test("Outputs agree within the tolerance", arguments: Golden.all.filter { $0.side == nil })
  func agrees(golden: Golden) async throws {
    let output = try await golden.trial(golden.sources()).run()
    #expect(try golden.differences(of: output.model).isEmpty)
  }

  @Test("Models that compete for elements, too", arguments: Golden.masks)
  func competes(golden: Golden) async throws {
    let output = try await golden.trial(golden.sources()).run()
    #expect(try golden.differences(of: output.model).isEmpty)
  }

  @Test("The recorded cases of these are all there")
  func maskCount() { #expect(Golden.masks.count == 3) }

  /// Random masks cannot be drawn again, so the recorded ones are applied to the inputs, rescaled as
  /// the reference does; what remains is to weigh, elect and add.
  @Test("With the recorded masks, too", arguments: Golden.all.filter { $0.side != nil })
  func agreesWithMasks(golden: Golden) async throws {
    let base = try golden.base()
    let rescales = golden.values["rescale"]?.bool ?? true
    var masked: [TinyModel] = []
    for (position, model) in try golden.sources().enumerated() {
      let masks = try golden.mask(model: golden.models[position])
      var factors: [String: Double] = [:]
      for tensor in model.tensors {
        let origin = try #require(base[tensor.name])
        let mask = try #require(masks[tensor.name])
        let sizes = zip(tensor.values, origin).map { Double($0 - $1).magnitude }
        let kept = zip(sizes, mask).reduce(0) { $0 + ($1.1 == 0 ? 0 : $1.0) }
        factors[tensor.name] = rescales && kept > 0 ? sizes.reduce(0, +) / kept : 1
      }
      masked.append(
        model.mapValues { name, index, value in
          guard let origin = base[name]?[index], masks[name]?[index] != 0 else {
            return base[name]?[index] ?? .nan
          }
          return Float(Double(origin) + Double(value - origin) * (factors[name] ?? .nan))
        })
    }
    let trial = try golden.trial(
      masked, changing: ["density": .number(1), "rescale": .bool(false)])
    #expect(try golden.differences(of: try await trial.run().model).isEmpty)
  }
}
