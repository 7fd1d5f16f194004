import Testing
import TinctureNetworks
import TinctureTensors
import TinctureTorch

@Suite("Parameters of networks")
struct ParametersTests {
  private var network: VisionTransformer {
    var network = VisionTransformer()
    (network.imageSize, network.patchSize, network.depth) = (8, 4, 2)
    (network.width, network.heads, network.hiddenWidth) = (8, 2, 12)
    return network
  }

  @Test("A model that fits is accepted, with tensors besides")
  func fitting() throws {
    var shapes = Dictionary(
      uniqueKeysWithValues: network.parameterShapes.map { ($0.name, $0.extents) })
    shapes["head.weight"] = [3, 8]
    try network.check(shapes)
  }

  @Test("Everything that is missing or misshapen is listed")
  func misfits() throws {
    var shapes = Dictionary(
      uniqueKeysWithValues: network.parameterShapes.map { ($0.name, $0.extents) })
    shapes["blocks.1.attn.qkv.weight"] = nil
    let one = #expect(throws: TinctureError.self) { try network.check(shapes) }
    #expect(one?.place.tensor == "blocks.1.attn.qkv.weight")
    shapes["pos_embed"] = [1, 4, 8]
    let both = #expect(throws: TinctureError.self) { try network.check(shapes) }
    #expect(both?.causes.map(\.place.tensor) == ["pos_embed", "blocks.1.attn.qkv.weight"])
    #expect(both?.causes.first?.message.contains("[1, 4, 8]") == true)
    #expect(both?.causes.first?.message.contains("[1, 5, 8]") == true)
  }

  @Test("Modules see their own part, and what is missing is named in full", .needsLibTorch)
  func scopes() throws {
    let table = ["blocks.3.norm1.weight": try TorchTensor([1, 2] as [Float])]
    let parameters = Parameters(table)
    let scope = parameters.scope("blocks", 3)
    #expect(try scope("norm1.weight").array(as: Float.self) == [1, 2])
    #expect(scope.scope("").optional("norm1.weight") != nil)
    #expect(scope.optional("norm1.bias") == nil)
    let error = #expect(throws: TinctureError.self) { try scope.scope("norm1")("bias") }
    #expect(error?.place.tensor == "blocks.3.norm1.bias")
    let replaced = scope.replacing(["blocks.3.norm1.weight": try TorchTensor([5] as [Float])])
    #expect(try replaced("norm1.weight").array(as: Float.self) == [5])
  }
}
