import ArgumentParser
import TinctureReports

/// A number of bytes as people write it: `128MB`, `5GB`, `64MiB`, `1000000`.
struct ByteSize: ExpressibleByArgument {
  let bytes: Int

  init(_ bytes: Int) { self.bytes = bytes }

  init?(argument: String) {
    let units: [(String, Double)] = [
      ("KiB", 1024), ("MiB", 1_048_576), ("GiB", 1_073_741_824), ("TiB", 1_099_511_627_776),
      ("KB", 1e3), ("MB", 1e6), ("GB", 1e9), ("TB", 1e12), ("K", 1e3), ("M", 1e6), ("G", 1e9),
      ("B", 1),
    ]
    let text = argument.uppercased()
    var number = text
    var factor = 1.0
    for (unit, size) in units where text.hasSuffix(unit.uppercased()) {
      number = String(text.dropLast(unit.count))
      factor = size
      break
    }
    guard let value = Double(number), value > 0, value * factor < 9e18 else { return nil }
    bytes = Int(value * factor)
  }

  var defaultValueDescription: String { Self.text(bytes) }

  /// A number of bytes in words.
  static func text(_ bytes: Int) -> String { NumberText.bytes(bytes) }

  /// A number with a fixed number of digits after the point.
  static func decimal(_ value: Double, _ digits: Int) -> String {
    NumberText.decimal(value, digits)
  }
}
