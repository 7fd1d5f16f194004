public import SystemPackage
internal import TinctureSafetensors
public import TinctureTensors

/// Arrays whose first axes count the same examples: safetensors, npy, npz and IDX files.
public struct ArrayDataSet: DataSet {
  /// The file or folder, as the user named it.
  public let source: String
  /// The number of examples.
  public let count: Int
  private let arrays: [StoredArray]

  /// Puts arrays together.
  ///
  /// - Throws: `data` when there are none or their first extents differ.
  init(_ arrays: [StoredArray], source: String) throws(TinctureError) {
    guard let first = arrays.first else {
      throw TinctureError(
        .data, "The file holds no array with a first axis that counts examples.",
        at: .init(file: source))
    }
    if let other = arrays.first(where: { $0.count != first.count }) {
      throw TinctureError(
        .data,
        "The array \"\(first.name)\" has \(first.count) examples and \"\(other.name)\" has"
          + " \(other.count); name columns that belong together.", at: .init(file: source))
    }
    self.source = source
    self.arrays = arrays
    count = first.count
  }

  /// The arrays, in the order of the file.
  public var columns: [DataColumn] { arrays.map(\.column) }

  /// Reads a range of examples of an array.
  ///
  /// - Parameters:
  ///   - column: The name of the array.
  ///   - range: The examples, within 0 to `count`.
  /// - Returns: The numbers of the examples.
  /// - Throws: `data` when there is no such array, `io` when reading fails.
  public func read(_ column: String, _ range: Range<Int>) throws(TinctureError) -> ColumnValues {
    check(range)
    guard let array = arrays.first(where: { $0.name == column }) else {
      _ = try self.column(named: column)
      throw TinctureError(.internalError, "The column \"\(column)\" has no array.")
    }
    return .numbers(try array.read(range))
  }

  /// Opens a safetensors file; tensors are columns, the first axis counts examples.
  ///
  /// - Parameters:
  ///   - path: The file.
  ///   - names: The tensors that are wanted; nil takes all that have an axis.
  /// - Returns: The data set.
  /// - Throws: `missingInput` when the file cannot be opened, `checkpoint` when it is malformed, `data`
  ///   when a tensor is missing or they do not belong together.
  public static func safetensors(
    _ path: FilePath, columns names: [String]? = nil
  ) throws(TinctureError) -> ArrayDataSet {
    let opened = try SafetensorsFile(opening: path)
    var arrays: [StoredArray] = []
    for tensor in opened.header.tensors where names?.contains(tensor.name) ?? !tensor.isNumber {
      arrays.append(
        try StoredArray(
          file: opened.file, source: path.string, name: tensor.name, dtype: tensor.dtype,
          extents: tensor.shape.extents, offset: tensor.byteOffset))
    }
    try requireAll(names, of: opened.header.tensors.map(\.name), in: path.string)
    return try ArrayDataSet(arrays, source: path.string)
  }

  /// Refuses names that a file lacks.
  static func requireAll(
    _ wanted: [String]?, of present: [String], in source: String
  ) throws(TinctureError) {
    guard let missing = wanted?.first(where: { !present.contains($0) }) else { return }
    let names = present.prefix(20).map { "\"\($0)\"" }.joined(separator: ", ")
    throw TinctureError(
      .data,
      "There is no array \"\(missing)\"; the file holds \(names)\(present.count > 20 ? ", …" : "").",
      at: .init(file: source))
  }
}

extension StoredTensor {
  /// Whether the tensor is a single number.
  fileprivate var isNumber: Bool { shape.rank == 0 }
}
