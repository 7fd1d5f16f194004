/// The version of a LibTorch: major and minor number, and the text it was read from.
public struct LibTorchVersion: Sendable, Hashable {
  /// The first number.
  public let major: Int
  /// The second number.
  public let minor: Int
  /// The version as LibTorch writes it, such as `2.13.0+cpu`.
  public let text: String

  /// The oldest version that has every function that is called.
  public static let minimum = LibTorchVersion(major: 2, minor: 10)

  /// Creates a version of two numbers.
  public init(major: Int, minor: Int) {
    self.major = major
    self.minor = minor
    text = "\(major).\(minor)"
  }

  /// Reads a version such as `2.13.0+cpu`; nil when it does not begin with two numbers.
  public init?(parsing text: String) {
    let numbers = text.split(separator: ".", omittingEmptySubsequences: false).prefix(2).map {
      Int($0.prefix { $0.isASCII && $0.isNumber })
    }
    guard numbers.count == 2, let major = numbers[0], let minor = numbers[1] else { return nil }
    self.major = major
    self.minor = minor
    self.text = text
  }

  /// Reads the number that LibTorch gives for itself: major · 2⁵⁶ + minor · 2⁴⁸.
  init(abi number: UInt64) {
    self.init(major: Int(number >> 56), minor: Int(number >> 48 & 0xff))
  }

  /// The number that tells LibTorch for which version its caller was made.
  var abiNumber: UInt64 { UInt64(major) << 56 | UInt64(minor) << 48 }

  /// Whether this version has what is needed.
  public var isSufficient: Bool {
    (major, minor) >= (Self.minimum.major, Self.minimum.minor)
  }
}

extension LibTorchVersion: CustomStringConvertible {
  /// The version as LibTorch writes it.
  public var description: String { text }
}
