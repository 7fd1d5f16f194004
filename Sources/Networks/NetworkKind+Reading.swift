public import SystemPackage
import TinctureCheckpoints
import TinctureJSON
public import TinctureTensors

extension NetworkKind {
  /// The network of a model's directory.
  ///
  /// The configuration is `config.json` or `open_clip_config.json`. With `modules.json`, as
  /// sentence-transformers writes it, the network is a sentence encoder.
  ///
  /// - Parameters:
  ///   - directory: The directory.
  ///   - kind: The kind of network; nil tells it from the configuration.
  ///   - shapes: The extents of the model's tensors by name, to which the names are fitted.
  /// - Returns: The network.
  /// - Throws: `missingInput` without a configuration; `checkpoint` that names the file and a setting which is
  ///   missing, malformed or not supported.
  public static func network(
    reading directory: FilePath, as kind: NetworkKind? = nil, fittedTo shapes: [String: [Int]] = [:]
  ) throws(TinctureError) -> any Network {
    for name in ["config.json", "open_clip_config.json"] {
      guard let object = try TokenizerFile.readObject(name, in: directory) else { continue }
      let configuration = JSONValue.object(object)
      do throws(TinctureError) {
        let modules = try sentenceModules(in: directory)
        if kind == .minilm || kind == nil && modules != nil {
          return try sentenceEncoder(configuration, modules, directory).fitted(to: shapes)
        }
        let kind = if let kind { kind } else { try NetworkKind(configuration: configuration) }
        return try kind.network(configuration: configuration, fittedTo: shapes)
      } catch {
        throw error.located(file: directory.appending(name).string)
      }
    }
    throw TinctureError(
      .missingInput, "The directory holds no config.json and no open_clip_config.json.",
      at: .init(file: directory.string))
  }

  /// The steps of a model of sentence-transformers by their class, with their folders.
  private static func sentenceModules(
    in directory: FilePath
  ) throws(TinctureError) -> [(type: String, path: String)]? {
    guard let text = try TokenizerFile.readText("modules.json", in: directory) else { return nil }
    let path = directory.appending("modules.json").string
    do throws(TinctureError) {
      var modules: [(String, String)] = []
      for item in try JSONValue(parsing: text).arrayValue ?? [] {
        let settings = try ConfigurationReader(item)
        let type = try settings.text("type").split(separator: ".").last.map(String.init)
        modules.append((type ?? "", try settings.text("path", or: "")))
      }
      return modules
    } catch {
      throw error.located(file: path)
    }
  }

  private static func sentenceEncoder(
    _ configuration: JSONValue, _ modules: [(type: String, path: String)]?, _ directory: FilePath
  ) throws(TinctureError) -> SentenceEncoder {
    guard let modules else { return try SentenceEncoder(configuration: configuration) }
    let types = modules.map(\.type)
    guard types.first == "Transformer", types.count >= 2, types[1] == "Pooling",
      types.count == 2 || types.dropFirst(2) == ["Normalize"]
    else {
      throw TinctureError(
        .checkpoint,
        "The steps \(types.joined(separator: ", ")) are not supported; a sentence encoder has Transformer,"
          + " Pooling and perhaps Normalize.",
        at: .init(file: directory.appending("modules.json").string))
    }
    // A path from a file may not lead out of the directory.
    guard let component = FilePath.Component(modules[1].path), component.kind == .regular else {
      throw TinctureError(
        .checkpoint, "\"\(modules[1].path)\" is no folder of the model.",
        at: .init(file: directory.appending("modules.json").string))
    }
    let folder = directory.appending(component)
    let pooling = try TokenizerFile.readObject("config.json", in: folder)
    var network = try SentenceEncoder(
      configuration: configuration, pooling: pooling.map { .object($0) })
    network.normalizes = types.count == 3
    return network
  }
}
