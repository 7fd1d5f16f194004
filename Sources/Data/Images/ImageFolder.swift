public import SystemPackage
internal import TinctureCheckpoints
internal import TinctureSafetensors
public import TinctureTensors

/// Pictures in files: a folder for each class, or a list of files and labels.
///
/// Columns: `image`, `label` (`I64`) and `path`. Pictures are decoded when they are read.
public struct ImageFolder: DataSet {
  /// The folder or list, as the user named it.
  public let source: String
  /// The names of the classes, in the order of their labels; empty for a list with numbers.
  public let classes: [String]
  private let folder: FilePath
  private let files: [(path: String, label: Int)]

  /// Endings of the names of pictures.
  private static let endings = [".jpg", ".jpeg", ".png"]

  /// Opens a folder with a folder for each class.
  ///
  /// Classes and files are sorted by the bytes of their names, as torchvision's `ImageFolder` does; hidden
  /// files and those that do not end in .jpg, .jpeg or .png are left out, and folders in folders of classes
  /// are searched, too.
  ///
  /// - Parameters:
  ///   - path: The folder.
  ///   - classes: The classes in the order of their labels; nil takes all folders.
  /// - Throws: `missingInput` when a folder cannot be read, `data` when there is no class or a class has no
  ///   picture.
  public init(opening path: FilePath, classes: [String]? = nil) throws(TinctureError) {
    let names: [String]
    if let classes {
      names = classes
    } else {
      names = try DirectoryListing.names(in: path).filter {
        !$0.hasPrefix(".") && FileKind(of: path.appending($0)) == .directory
      }
    }
    guard !names.isEmpty else {
      throw TinctureError(
        .data, "The folder holds no folders; put the pictures of each class into one of its name.",
        at: .init(file: path.string))
    }
    var files: [(path: String, label: Int)] = []
    for (label, name) in names.enumerated() {
      let found = try Self.pictures(in: path, below: name, depth: 0)
      guard !found.isEmpty else {
        throw TinctureError(
          .data, "The class \"\(name)\" has no JPEG or PNG pictures; remove its folder or fill it.",
          at: .init(file: path.appending(name).string))
      }
      files += found.map { ($0, label) }
    }
    source = path.string
    self.classes = names
    folder = path
    self.files = files
  }

  /// Opens a list: a path and a label on each line, with a tabulator or the last space between them.
  ///
  /// - Parameters:
  ///   - list: The list, in UTF-8; empty lines and lines that begin with # are skipped.
  ///   - folder: What paths in the list start from; nil takes the folder of the list.
  ///   - classes: The names of the classes; nil means that labels are numbers.
  /// - Throws: `missingInput` when the list cannot be opened, `data` with the line when a label is missing
  ///   or unknown.
  public init(
    list: FilePath, folder: FilePath? = nil, classes: [String]? = nil
  ) throws(TinctureError) {
    let bytes = try InputFile(opening: list).contents()
    func failure(_ line: Int, _ message: String) -> TinctureError {
      TinctureError(.data, message, at: .init(file: list.string, line: line + 1))
    }
    var files: [(path: String, label: Int)] = []
    for (line, raw) in bytes.split(separator: 10, omittingEmptySubsequences: false).enumerated() {
      guard let text = String(validating: raw.last == 13 ? raw.dropLast() : raw, as: UTF8.self)
      else {
        throw failure(line, "The line is not valid UTF-8; convert the list, for example by iconv.")
      }
      if text.isEmpty || text.hasPrefix("#") { continue }
      guard let split = text.firstIndex(of: "\t") ?? text.lastIndex(of: " ") else {
        throw failure(line, "The line has no label; write a path, a tabulator and a label.")
      }
      let name = String(text[text.index(after: split)...])
      guard let label = classes.map({ $0.firstIndex(of: name) }) ?? Int(name) else {
        throw failure(
          line,
          "The label \"\(name)\" is "
            + (classes == nil ? "no whole number; name the classes." : "none of the classes."))
      }
      files.append((String(text[..<split]), label))
    }
    source = list.string
    self.classes = classes ?? []
    self.folder = folder ?? list.removingLastComponent()
    self.files = files
  }

  /// The number of pictures.
  public var count: Int { files.count }

  /// `image`, `label` and `path`.
  public var columns: [DataColumn] {
    [
      DataColumn("image", .images), DataColumn("label", .numbers(.i64, extents: [])),
      DataColumn("path", .text),
    ]
  }

  /// Reads a range of examples of a column.
  ///
  /// - Parameters:
  ///   - column: `image`, `label` or `path`.
  ///   - range: The examples, within 0 to `count`.
  /// - Returns: One value for each example.
  /// - Throws: `missingInput` when a picture is gone, `data` when one cannot be decoded, `missingFacility`
  ///   when the library for it is not installed.
  public func read(_ column: String, _ range: Range<Int>) throws(TinctureError) -> ColumnValues {
    check(range)
    switch try self.column(named: column).content {
    case .images:
      var images: [PixelImage] = []
      for file in files[range] {
        images.append(try ImageDecoder.decode(at: folder.pushing(FilePath(file.path))))
      }
      return .images(images)
    case .numbers(let dtype, let extents):
      var bytes: [UInt8] = []
      for file in files[range] {
        withUnsafeBytes(of: Int64(file.label).littleEndian) { bytes += $0 }
      }
      return .numbers(
        NumberBlock(dtype: dtype, extents: extents, count: range.count, bytes: bytes))
    case .text: return .text(files[range].map(\.path))
    }
  }

  /// The paths of pictures in a folder and the folders in it, sorted.
  private static func pictures(
    in root: FilePath, below name: String, depth: Int
  ) throws(TinctureError) -> [String] {
    var found: [String] = []
    for entry in try DirectoryListing.names(in: root.appending(name)) where !entry.hasPrefix(".") {
      let path = name + "/" + entry
      if endings.contains(where: { entry.lowercased().hasSuffix($0) }) {
        found.append(path)
      } else if depth < 8, FileKind(of: root.appending(path)) == .directory {
        found += try pictures(in: root, below: path, depth: depth + 1)
      }
    }
    return found
  }
}
