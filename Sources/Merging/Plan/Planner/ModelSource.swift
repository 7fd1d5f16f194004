public import SystemPackage
public import TinctureBanks
internal import TinctureCheckpoints
internal import TinctureSafetensors
public import TinctureTensors

/// A model as a bank sees it, under the names of the base.
public struct ModelSource: BankModel {
  private let input: ModelInput
  private let own: [String: String]
  /// The names, in the words of the base where the base has the tensor.
  public let names: [String]

  /// Wraps a model.
  ///
  /// - Parameters:
  ///   - input: The model.
  ///   - base: The base whose names are used, when it is another model.
  public init(_ input: ModelInput, base: ModelInput? = nil) {
    self.input = input
    var own: [String: String] = [:]
    names = input.checkpoint.names.map { name in
      let known = base?.layout.counterpart(of: name) ?? name
      own[known] = name
      return known
    }
    self.own = own
  }

  /// Where the model is, as the user wrote it.
  public var location: String { input.name }

  /// The files of the model and of its adapter; of a bank and its base for an expert.
  public var files: [FilePath] {
    let adapters = input.adapters.compactMap { $0.changes.first?.change.down.file.path }
    return [input.location.path] + input.checkpoint.files.map(\.path) + adapters
      + [input.mixtureFile?.path].compactMap(\.self)
  }

  /// The tensor of a name.
  public func source(_ name: String) throws(TinctureError) -> (any WeightSource)? {
    guard let own = own[name], let reader = try input.reader(own) else { return nil }
    return ReaderSource(reader)
  }
}

/// A tensor reader with a window of its own.
final class ReaderSource: WeightSource {
  private let reader: any TensorReader
  private let window = ReadWindow(byteCount: 1 << 17)

  init(_ reader: any TensorReader) { self.reader = reader }

  var dtype: DType { reader.dtype }
  var shape: Shape { reader.shape }
  var place: TinctureError.Place { reader.place }
  var storedRange: (file: InputFile, offset: Int)? { reader.storedRange }

  func read(_ range: Range<Int>, into output: inout MutableSpan<Float>) throws(TinctureError) {
    _ = try reader.read(range, into: &output, window: window)
  }
}
