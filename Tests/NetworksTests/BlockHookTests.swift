import Synchronization
import Testing
import TinctureTensors
import TinctureTorch

@testable import TinctureNetworks

@Suite("What leaves the blocks of networks", .needsLibTorch)
struct BlockHookTests {
  /// Remembers the shapes of tokens and multiplies those that leave one block.
  private final class Recorder: BlockHook {
    let factor: Double
    let changed: Int
    let seen = Mutex<[(block: Int, shape: [Int], isMasked: Bool)]>([])

    init(_ factor: Double, block: Int) { (self.factor, changed) = (factor, block) }

    func callAsFunction(
      _ tokens: TorchTensor, leaving block: Int, mask: TorchTensor?
    ) throws(TinctureError) -> TorchTensor {
      seen.withLock { $0.append((block, tokens.shape, mask != nil)) }
      return block == changed ? try tokens * factor : tokens
    }
  }

  @Test("A hook sees the blocks in order, and what it returns goes on")
  func vision() throws {
    let recorded = try RecordedNetwork("vision_transformer_mean")
    let network = try VisionTransformer(configuration: recorded.configuration)
    let parameters = try recorded.parameters()
    let images = try recorded("inputs/images")
    let plain = try network.features(of: images, parameters).array(as: Float.self)
    let silent = Recorder(1, block: -1)
    #expect(
      try network.features(of: images, parameters.hooked(silent)).array(as: Float.self) == plain)
    let seen = silent.seen.withLock { $0 }
    #expect(seen.map(\.block) == Array(0..<network.blockCount))
    #expect(seen.allSatisfy { $0.shape.count == 3 && $0.shape[2] == network.blockWidth })
    // Tokens of zeros behind the last block leave the bias of the normalisation.
    let last = Recorder(0, block: network.blockCount - 1)
    let bias = try parameters("norm.bias").array(as: Float.self)
    let features = try network.features(of: images, parameters.hooked(last))
    for (found, wanted) in zip(try features.select(0, along: 0).array(as: Float.self), bias) {
      #expect(abs(found - wanted) < 1e-6)
    }
    // Modules and replaced tensors keep the hook.
    let early = Recorder(0.5, block: 0)
    let changed = try network.features(
      of: images, parameters.hooked(early).replacing([:]).scope("")
    ).array(as: Float.self)
    #expect(changed != plain)
  }

  @Test("Texts tell which tokens are padding")
  func texts() throws {
    var network = Bert()
    (network.vocabularySize, network.width, network.depth) = (20, 8, 2)
    (network.heads, network.hiddenWidth, network.positionCount) = (2, 16, 8)
    var tensors: [String: TorchTensor] = [:]
    for shape in network.parameterShapes {
      tensors[shape.name] = try .normal(
        shape.extents, CounterRandom(seed: 1, tensor: shape.name, purpose: "test"), deviation: 0.3)
    }
    let hook = Recorder(1, block: -1)
    let batch = try TokenBatch([[1, 2, 3], [4, 5]], padding: 0)
    _ = try network.features(of: batch, Parameters(tensors).hooked(hook))
    let seen = hook.seen.withLock { $0 }
    #expect(seen.map(\.block) == [0, 1])
    #expect(seen.allSatisfy { $0.isMasked && $0.shape == [2, 3, 8] })
  }
}
