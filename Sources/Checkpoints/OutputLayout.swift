public import TinctureTensors
internal import TinctureJSON
internal import TinctureSafetensors

/// Where every byte of a checkpoint will lie, before any of them exists.
///
/// Tensors are spread over files in the given order; within a file those with wider elements come
/// first, so that every tensor is aligned to its elements. The layout depends on nothing else, hence
/// the same recipe gives the same bytes.
public struct OutputLayout: Sendable, Hashable {
  /// A tensor to be written.
  public struct Tensor: Sendable, Hashable {
    /// The name.
    public let name: String
    /// The type of the elements.
    public let dtype: DType
    /// The extents.
    public let shape: Shape

    /// Creates the description of a tensor.
    public init(name: String, dtype: DType, shape: Shape) {
      self.name = name
      self.dtype = dtype
      self.shape = shape
    }
  }

  /// Where a tensor begins.
  public struct Place: Sendable, Hashable {
    /// The position of the file in `files`.
    public let file: Int
    /// The offset of the first byte in the file.
    public let offset: Int
  }

  /// A file to be written.
  public struct File: Sendable, Hashable {
    /// The name.
    public let name: String
    /// The bytes before the data.
    public let header: [UInt8]
    /// The size of the whole file.
    public let size: Int
  }

  /// The files in order.
  public let files: [File]
  /// The place of every tensor, in the order in which they were given.
  public let places: [Place]
  /// The index that names the file of every tensor; nil when there is only one file.
  public let index: [UInt8]?
  /// The number of bytes of all tensors.
  public let dataSize: Int

  /// Plans the files.
  ///
  /// - Parameters:
  ///   - tensors: The tensors, in the order of their files.
  ///   - shardSize: The most bytes of tensors in a file; a larger tensor gets a file of its own.
  ///   - stem: The name of the files without number and suffix.
  ///   - metadata: Free texts for every header; `format: pt` is added when missing.
  /// - Complexity: O(n log n).
  public init(
    tensors: [Tensor], shardSize: Int, stem: String = "model",
    metadata: [(key: String, value: String)] = []
  ) {
    var metadata = metadata
    if !metadata.contains(where: { $0.key == "format" }) { metadata.append(("format", "pt")) }
    metadata.sort { $0.key < $1.key }
    var groups: [[Int]] = [[]]
    var groupSize = 0
    for (position, tensor) in tensors.enumerated() {
      let size = tensor.shape.byteCount(of: tensor.dtype) ?? 0
      if groupSize > 0, groupSize + size > shardSize {
        groups.append([])
        groupSize = 0
      }
      groups[groups.count - 1].append(position)
      groupSize += size
    }
    var files: [File] = []
    var places = [Place](repeating: Place(file: 0, offset: 0), count: tensors.count)
    var weightMap = JSONObject()
    var total = 0
    for (number, group) in groups.enumerated() {
      let ordered = group.sorted {
        (-tensors[$0].dtype.bitWidth, $0) < (-tensors[$1].dtype.bitWidth, $1)
      }
      let header = SafetensorsHeader.encode(
        tensors: ordered.map { (tensors[$0].name, tensors[$0].dtype, tensors[$0].shape) },
        metadata: metadata)
      var offset = header.count
      let name =
        groups.count == 1
        ? "\(stem).safetensors"
        : "\(stem)-\(Self.padded(number + 1))-of-\(Self.padded(groups.count)).safetensors"
      for position in ordered {
        places[position] = Place(file: number, offset: offset)
        offset += tensors[position].shape.byteCount(of: tensors[position].dtype) ?? 0
      }
      for position in group { weightMap[tensors[position].name] = .string(name) }
      total += offset - header.count
      files.append(File(name: name, header: header, size: offset))
    }
    self.files = files
    self.places = places
    dataSize = total
    if groups.count == 1 {
      index = nil
    } else {
      let document = JSONValue.object(
        JSONObject([
          ("metadata", .object(JSONObject([("total_size", .integer(total))]))),
          ("weight_map", .object(weightMap)),
        ]))
      index = Array((document.text() + "\n").utf8)
    }
  }

  private static func padded(_ number: Int) -> String {
    let digits = String(number)
    return String(repeating: "0", count: max(0, 5 - digits.count)) + digits
  }
}
