public import SystemPackage
internal import TinctureCheckpoints
public import TinctureTensors

/// The forms in which data sets are kept, by the names that suites use.
public enum DataSetFormat: String, Sendable, Hashable, CaseIterable {
  /// Tensors whose first axis counts examples.
  case safetensors
  /// One array of NumPy.
  case npy
  /// Several arrays of NumPy in an archive.
  case npz
  /// One array in the format of MNIST.
  case idx
  /// A folder with images and labels in the format of MNIST.
  case mnist
  /// A folder with a folder of pictures for each class.
  case images
  /// A list of pictures and labels.
  case list
  /// Comma-separated values.
  case csv
  /// Tab-separated values without quotes.
  case tsv
  /// A JSON object on each line.
  case jsonl

  /// The format that a path suggests, or nil.
  ///
  /// Files by their ending; a folder is `mnist` when it holds a file in IDX format, else `images`.
  ///
  /// - Parameter path: A file or folder.
  public init?(suggestedBy path: FilePath) {
    if FileKind(of: path) == .directory {
      let names = (try? DirectoryListing.names(in: path)) ?? []
      self = names.contains { $0.contains("-ubyte") } ? .mnist : .images
      return
    }
    let name = (path.lastComponent?.string ?? "").lowercased()
    let endings: [(String, DataSetFormat)] = [
      (".safetensors", .safetensors), (".npy", .npy), (".npz", .npz), ("-ubyte", .idx),
      ("-ubyte.gz", .idx), (".idx", .idx), (".csv", .csv), (".tsv", .tsv), (".jsonl", .jsonl),
      (".ndjson", .jsonl), (".txt", .list), (".lst", .list),
    ]
    guard let match = endings.first(where: { name.hasSuffix($0.0) }) else { return nil }
    self = match.1
  }
}

/// What a suite may say about a data set besides its path.
public struct DataSetOptions: Sendable {
  /// The form; nil goes by the path.
  public var format: DataSetFormat?
  /// The columns that are wanted and, for text files, how their fields are understood.
  ///
  /// Nil takes all columns. Formats that know their types use the names alone; `idx` and `npy` name their
  /// only column after the first.
  public var columns: [(name: String, type: FieldType)]?
  /// The classes of pictures, in the order of their labels.
  public var classes: [String]?
  /// The part of a folder in the format of MNIST: `train` or `t10k`.
  public var part: String
  /// Whether the first record of CSV and TSV names the columns.
  public var hasHeader: Bool

  /// Creates options.
  public init(
    format: DataSetFormat? = nil, columns: [(name: String, type: FieldType)]? = nil,
    classes: [String]? = nil, part: String = "t10k", hasHeader: Bool = true
  ) {
    self.format = format
    self.columns = columns
    self.classes = classes
    self.part = part
    self.hasHeader = hasHeader
  }

  /// Opens the data set at a path.
  ///
  /// - Parameter path: A file or folder.
  /// - Returns: The data set; no examples have been read.
  /// - Throws: `missingInput` when there is nothing, `data` when it is malformed or its form cannot be told,
  ///   `checkpoint` when a safetensors file is malformed, `missingFacility` when a library is missing that
  ///   unpacks it.
  public func open(_ path: FilePath) throws(TinctureError) -> any DataSet {
    guard FileKind(of: path) != .missing else {
      throw TinctureError(
        .missingInput, "There is no such file or folder.", at: .init(file: path.string))
    }
    guard let format = format ?? DataSetFormat(suggestedBy: path) else {
      let names = DataSetFormat.allCases.map(\.rawValue).joined(separator: ", ")
      throw TinctureError(
        .data, "The form of the data cannot be told from the name; state one of \(names).",
        at: .init(file: path.string))
    }
    let names = columns.map { $0.map(\.name) }
    switch format {
    case .safetensors: return try ArrayDataSet.safetensors(path, columns: names)
    case .npy: return try ArrayDataSet.npy(path, column: names?.first)
    case .npz: return try ArrayDataSet.npz(path, columns: names)
    case .idx: return try ArrayDataSet.idx(path, column: names?.first ?? path.stem ?? "data")
    case .mnist: return try ArrayDataSet.mnist(path, part: part)
    case .images: return try ImageFolder(opening: path, classes: classes)
    case .list: return try ImageFolder(list: path, classes: classes)
    case .csv, .tsv:
      var delimited = format == .csv ? DelimitedFormat.csv : .tsv
      delimited.hasHeader = hasHeader
      return try DelimitedDataSet(opening: path, format: delimited, columns: columns)
    case .jsonl: return try JSONLinesDataSet(opening: path, columns: columns)
    }
  }
}
