internal import TinctureJSON
internal import TinctureTensors

/// What a vector takes in the header of a container, at most.
enum DescriptionSize {
  /// A number with as many digits as any.
  private static let longest = 1.2345678901234567e-100

  /// The bytes of a record, of its parts' entries and of their digests.
  ///
  /// - Parameters:
  ///   - record: The record.
  ///   - tensor: The tensor.
  ///   - owner: Whose it is.
  /// - Returns: An upper bound that is a few per cent too large.
  static func bound(_ record: VectorRecord, tensor: String, owner: VectorOwner) -> Int {
    var record = record
    (record.squaredNorm, record.squaredError) = (longest, longest)
    var bytes = escaped(record.json.text(indentation: nil)) + inDescription(tensor) + 24
    bytes += inDescription(owner.key) + 8
    for part in record.parts {
      let name = owner.partName(tensor, part.suffix)
      bytes += escaped(name) + inDescription(name) + part.shape.description.utf8.count + 145
    }
    return bytes
  }

  /// The bytes of a manifest without records, and of what surrounds it.
  static func bound(_ manifest: BankManifest) -> Int {
    escaped(manifest.json.text(indentation: nil)) + 512
  }

  /// The bytes of a text as a JSON string.
  private static func escaped(_ text: String) -> Int {
    JSONValue.string(text).text(indentation: nil).utf8.count
  }

  /// The bytes of a text as a JSON string within a JSON string.
  private static func inDescription(_ text: String) -> Int {
    escaped(JSONValue.string(text).text(indentation: nil))
  }
}
