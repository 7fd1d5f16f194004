internal import Crypto
public import SystemPackage
internal import TinctureSafetensors
public import TinctureTensors

/// A model as a bank sees it: named tensors that can be read.
public protocol BankModel: Sendable {
  /// Where the model is, as the user wrote it.
  var location: String { get }
  /// The files that hold it.
  var files: [FilePath] { get }
  /// The names of the tensors.
  var names: [String] { get }
  /// The tensor of a name of the base; nil when the model does not have it.
  func source(_ name: String) throws(TinctureError) -> (any WeightSource)?
}

extension BankManifest.Base {
  /// Describes a base by reading all of it.
  ///
  /// - Parameters:
  ///   - model: The base.
  ///   - passed: Hears how many bytes were read, piece by piece; what it throws ends the reading.
  /// - Throws: What reading throws.
  /// - Complexity: O(n) in the bytes of the model.
  public init(
    of model: any BankModel, passed: (Int) throws(TinctureError) -> Void = { _ in }
  ) throws(TinctureError) {
    self.init(
      location: model.location, digest: try Self.digest(of: model, passed: passed),
      quickDigest: try Self.quickDigest(of: model))
  }

  /// SHA-256 over names, types, shapes and all elements in row-major order, by name.
  ///
  /// - Parameters:
  ///   - model: The model.
  ///   - passed: Hears how many bytes were read, piece by piece; what it throws ends the reading.
  /// - Returns: The digest.
  /// - Throws: What reading throws.
  /// - Complexity: O(n) in the bytes of the model.
  public static func digest(
    of model: any BankModel, passed: (Int) throws(TinctureError) -> Void = { _ in }
  ) throws(TinctureError) -> String {
    try digest(of: model) { (source, digest) throws(TinctureError) in
      try source.forEachPiece { (piece) throws(TinctureError) in
        digest.update(piece)
        try passed(piece.count)
      }
    }
  }

  /// SHA-256 over names, types, shapes and the first, the middle and the last 256 elements, by name.
  public static func quickDigest(of model: any BankModel) throws(TinctureError) -> String {
    try digest(of: model) { (source, digest) throws(TinctureError) in
      guard source.dtype.isArithmetic else { return }
      let count = source.shape.elementCount
      for start in [0, max(0, count / 2 - 128), max(0, count - 256)] {
        let range = start..<min(start + 256, count)
        var values = ContiguousArray<Float>(repeating: 0, count: range.count)
        var span = values.mutableSpan
        try source.read(range, into: &span)
        values.withUnsafeBytes { digest.update($0) }
      }
    }
  }

  private static func digest(
    of model: any BankModel,
    _ body: (any WeightSource, inout PartDigest) throws(TinctureError) -> Void
  ) throws(TinctureError) -> String {
    var digest = PartDigest()
    for name in model.names.sorted() {
      guard let source = try model.source(name) else { continue }
      digest.update(name)
      digest.update(source.dtype.rawValue)
      digest.update(source.shape.extents.map(String.init).joined(separator: ","))
      do throws(TinctureError) {
        try body(source, &digest)
      } catch { throw error.located(tensor: name) }
    }
    return digest.finish()
  }
}

extension ExpertBank {
  /// Checks that a model is the bank's base, by samples of its elements.
  ///
  /// - Parameter model: The model.
  /// - Throws: `checkpoint` when it is another one.
  public func requireBase(_ model: any BankModel) throws(TinctureError) {
    let found = try BankManifest.Base.quickDigest(of: model)
    guard found != manifest.base.quickDigest else { return }
    throw TinctureError(
      .checkpoint,
      "\(model.location) is not the base that this bank was made from (\(manifest.base.location));"
        + " its experts would be wrong. Name the right base.", at: .init(file: file.path.string))
  }
}
