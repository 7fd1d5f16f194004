internal import TinctureJSON
public import TinctureTensors

/// The header of a safetensors file: which tensors it holds and where.
///
/// A file is the header's length (eight bytes, little-endian), the header as JSON, and the tensors'
/// bytes. Everything is checked on creation: types, shapes, overflow, and that the tensors cover the
/// data exactly, without holes or overlaps.
public struct SafetensorsHeader: Sendable, Hashable {
  /// The largest header that is accepted, as in the reference implementation.
  public static let sizeLimit = 100_000_000

  /// Free texts by name, such as `format: pt`.
  public let metadata: [(key: String, value: String)]
  /// The tensors in the order of their bytes; offsets count from the start of the file.
  public let tensors: [StoredTensor]
  /// Where the tensors' bytes begin.
  public let dataOffset: Int

  /// Compares names, types, shapes, places and metadata.
  public static func == (left: SafetensorsHeader, right: SafetensorsHeader) -> Bool {
    left.tensors == right.tensors && left.dataOffset == right.dataOffset
      && left.metadata.elementsEqual(right.metadata) { $0.key == $1.key && $0.value == $1.value }
  }

  /// Feeds the tensors to the hasher.
  public func hash(into hasher: inout Hasher) { hasher.combine(tensors) }

  /// Checks a header.
  ///
  /// - Parameters:
  ///   - json: The bytes of the JSON.
  ///   - fileSize: The size of the whole file.
  /// - Throws: `checkpoint` with the tensor or the byte offset.
  /// - Complexity: O(n log n) in the number of tensors.
  public init(parsing json: [UInt8], fileSize: Int) throws(TinctureError) {
    let document: JSONValue
    do throws(TinctureError) {
      document = try JSONValue(parsing: json)
    } catch {
      var error = error
      error.place.byteOffset = (error.place.byteOffset ?? 0) + 8
      throw error
    }
    guard let object = document.objectValue else {
      throw TinctureError(
        .checkpoint, "The header is not a JSON object.", at: .init(byteOffset: 8))
    }
    dataOffset = 8 + json.count
    let dataSize = fileSize - dataOffset
    var metadata: [(key: String, value: String)] = []
    var entries: [(begin: Int, end: Int, tensor: StoredTensor)] = []
    entries.reserveCapacity(object.count)
    for (name, value) in object.members {
      if name == "__metadata__" {
        metadata = try Self.parseMetadata(value)
      } else {
        entries.append(
          try Self.parseEntry(name, value, dataOffset: dataOffset, dataSize: dataSize))
      }
    }
    entries.sort { ($0.begin, $0.end) < ($1.begin, $1.end) }
    var position = 0
    for entry in entries {
      guard entry.begin == position else {
        let fault = entry.begin > position ? "leaves a hole after" : "overlaps what lies before"
        throw TinctureError(
          .checkpoint,
          "The tensor starts at data byte \(entry.begin) and \(fault) byte \(position).",
          at: .init(byteOffset: dataOffset + entry.begin, tensor: entry.tensor.name))
      }
      position = entry.end
    }
    guard position == dataSize else {
      throw TinctureError(
        .checkpoint,
        "The tensors end at data byte \(position), but the file holds \(dataSize) bytes of data.",
        at: .init(byteOffset: dataOffset + position))
    }
    self.metadata = metadata
    tensors = entries.map(\.tensor)
  }

  private static func parseMetadata(_ value: JSONValue) throws(TinctureError)
    -> [(key: String, value: String)]
  {
    guard let object = value.objectValue else {
      throw TinctureError(.checkpoint, "The header's __metadata__ is not an object of texts.")
    }
    var result: [(key: String, value: String)] = []
    for (key, value) in object.members {
      guard let text = value.stringValue else {
        throw TinctureError(
          .checkpoint, "The header's __metadata__ entry \"\(key)\" is not a text.")
      }
      result.append((key, text))
    }
    return result
  }

  private static func parseEntry(
    _ name: String, _ value: JSONValue, dataOffset: Int, dataSize: Int
  ) throws(TinctureError) -> (begin: Int, end: Int, tensor: StoredTensor) {
    func failure(_ message: String) -> TinctureError {
      TinctureError(.checkpoint, message, at: .init(tensor: name))
    }
    guard let object = value.objectValue else {
      throw failure("The header entry is not an object.")
    }
    guard let dtypeName = object["dtype"]?.stringValue else {
      throw failure("The header entry has no dtype.")
    }
    guard let dtype = DType(rawValue: dtypeName) else {
      throw failure("The dtype \"\(dtypeName)\" is not one of the safetensors format.")
    }
    guard let items = object["shape"]?.arrayValue else {
      throw failure("The header entry has no shape.")
    }
    var extents: [Int] = []
    for item in items {
      guard let extent = item.intValue, extent >= 0 else {
        throw failure("The shape holds \(item.text(indentation: nil)), which is no extent.")
      }
      extents.append(extent)
    }
    guard let shape = Shape(extents), let byteCount = shape.byteCount(of: dtype) else {
      throw failure("A \(dtypeName) tensor of shape \(extents) has no valid size in bytes.")
    }
    guard let offsets = object["data_offsets"]?.arrayValue, offsets.count == 2,
      let begin = offsets[0].intValue, let end = offsets[1].intValue
    else { throw failure("The header entry needs two whole numbers as data_offsets.") }
    guard begin >= 0, begin <= end, end <= dataSize else {
      throw failure(
        "The data_offsets [\(begin), \(end)] do not lie within the \(dataSize) bytes of data;"
          + " the file may be truncated.")
    }
    guard end - begin == byteCount else {
      throw failure(
        "The data_offsets span \(end - begin) bytes, but \(dtypeName) \(shape) takes \(byteCount).")
    }
    let tensor = StoredTensor(
      name: name, dtype: dtype, shape: shape, byteOffset: dataOffset + begin)
    return (begin, end, tensor)
  }
}

extension SafetensorsHeader {
  /// Encodes the length and the JSON of a header, padded with spaces to a multiple of eight bytes.
  ///
  /// - Parameters:
  ///   - tensors: Names, types and shapes, in the order of their bytes.
  ///   - metadata: Free texts by name.
  /// - Returns: The bytes that precede the data.
  /// - Complexity: O(n).
  public static func encode(
    tensors: [(name: String, dtype: DType, shape: Shape)], metadata: [(key: String, value: String)]
  ) -> [UInt8] {
    var object = JSONObject()
    if !metadata.isEmpty {
      object["__metadata__"] = .object(JSONObject(metadata.map { ($0.key, .string($0.value)) }))
    }
    var position = 0
    for tensor in tensors {
      let end = position + (tensor.shape.byteCount(of: tensor.dtype) ?? 0)
      object[tensor.name] = .object(
        JSONObject([
          ("dtype", .string(tensor.dtype.rawValue)),
          ("shape", .array(tensor.shape.extents.map { .integer($0) })),
          ("data_offsets", .array([.integer(position), .integer(end)])),
        ]))
      position = end
    }
    var json = Array(JSONValue.object(object).text(indentation: nil).utf8)
    while json.count % 8 != 0 { json.append(0x20) }
    let length = UInt64(json.count)
    return (0..<8).map { UInt8(truncatingIfNeeded: length >> ($0 * 8)) } + json
  }
}
