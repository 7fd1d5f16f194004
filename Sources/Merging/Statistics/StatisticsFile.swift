internal import SystemPackage
internal import TinctureCheckpoints
internal import TinctureSafetensors
internal import TinctureTensors

/// A file with statistics of one model, or of all models of a recipe.
///
/// In a file of one model tensors have the names of the model's; in one of all models the kind and the
/// position of the model stand before them: `gram0.encoder.attn.weight`. The end `.weight` may be
/// missing, so that a Gram matrix can have the name of its layer. Second moments may have the names that the state of
/// an optimiser has, `encoder.attn.weight.exp_avg_sq`; Fisher information may stand in for them.
struct StatisticsFile: Sendable {
  /// The file.
  let checkpoint: Checkpoint
  private let inputMajor: Set<String>
  private let kind: StatisticsKind

  /// Opens a file.
  ///
  /// - Parameters:
  ///   - text: The path as the recipe has it.
  ///   - folder: Where relative paths are looked for besides the current directory.
  ///   - kind: What the file must hold, as far as it says so.
  /// - Throws: `missingInput` when it is not there, `checkpoint` when it is malformed or holds something
  ///   else.
  init(
    opening text: String, folder: FilePath?, expecting kind: StatisticsKind
  ) throws(TinctureError) {
    let path = Self.path(text, folder)
    checkpoint = try Checkpoint.open(path)
    self.kind = kind
    var inputMajor: Set<String> = []
    for file in checkpoint.files where file.path.string.hasSuffix(".safetensors") {
      for (key, value) in try SafetensorsFile(opening: file.path).header.metadata {
        if key == StatisticsKind.inputMajorKey {
          inputMajor.formUnion(value.split(separator: "\n").map(String.init))
        }
        let accepted = [kind.rawValue, kind.measured.rawValue]
        guard key == StatisticsKind.metadataKey, !accepted.contains(value) else { continue }
        throw TinctureError(
          .checkpoint,
          "The file holds statistics of the kind \"\(value)\", but \(kind.plural) are needed.",
          at: .init(file: path.string))
      }
    }
    self.inputMajor = inputMajor
    if kind == .secondMoment, let numbered = checkpoint.names.first(where: Self.isNumbered) {
      throw TinctureError(
        .checkpoint,
        "The optimiser numbers its parameters instead of naming them. Make it with"
          + " model.named_parameters() (PyTorch 2.6 or newer), or save each exp_avg_sq under the name of"
          + " its tensor to a .safetensors file.", at: .init(file: path.string, tensor: numbered))
    }
  }

  private static func isNumbered(_ name: String) -> Bool {
    let parts = name.split(separator: ".")
    guard parts.last == "exp_avg_sq", let parameter = parts.dropLast().last else { return false }
    return parts.dropLast(2).allSatisfy { $0 == "state" } && Int(parameter) != nil
  }

  /// A path as it stands, or beside the recipe.
  private static func path(_ text: String, _ folder: FilePath?) -> FilePath {
    let path = FilePath(ModelReference.expandingHome(text))
    guard let folder, path.isRelative, FileKind(of: path) == .missing else { return path }
    let beside = folder.pushing(path)
    return FileKind(of: beside) == .missing ? path : beside
  }

  /// The statistics of a tensor.
  ///
  /// - Parameters:
  ///   - name: The tensor's name in its model.
  ///   - prefix: What stands before names of this model.
  /// - Returns: The tensor, and whether the file says that the weight is stored [in, out].
  func entry(_ name: String, prefix: String) -> (entry: Checkpoint.Entry, isInputMajor: Bool)? {
    let full = prefix + name
    if let entry = checkpoint[full] { return (entry, inputMajor.contains(full)) }
    if kind == .secondMoment {
      let names = ["\(full).exp_avg_sq", "state.\(full).exp_avg_sq", "exp_avg_sq.\(full)"]
      return names.lazy.compactMap { checkpoint[$0] }.first.map { ($0, false) }
    }
    let end = ".weight"
    guard name.hasSuffix(end) else { return nil }
    let layer = String(full.dropLast(end.count))
    return checkpoint[layer].map { ($0, inputMajor.contains(layer)) }
  }

  /// The mean of a linear layer's inputs, where the file has it.
  func mean(of name: String, prefix: String) -> Checkpoint.Entry? {
    checkpoint[prefix + name + StatisticsKind.meanEnd]
  }
}
