internal import TinctureTensors

/// A division of the elements of a tensor into parts at random.
///
/// The part of an element depends on the seed, the tensor's name and the element's index alone.
public struct RandomParts: Sendable, Hashable {
  /// How many parts there are.
  public let count: Int
  private let random: CounterRandom

  /// Divides a tensor.
  ///
  /// - Parameters:
  ///   - count: How many parts there are, at least 1.
  ///   - seed: The seed of the run.
  ///   - tensor: The name of the tensor.
  public init(_ count: Int, seed: UInt64, tensor: String) {
    precondition(count >= 1, "A tensor has at least one part.")
    self.count = count
    random = CounterRandom(seed: seed, tensor: tensor, purpose: "parts of tensors")
  }

  /// The part of an element.
  public func part(of element: Int) -> Int {
    // The upper half of the product with 2⁶⁴ equally likely numbers.
    Int(UInt64(count).multipliedFullWidth(by: random.bits(at: element)).high)
  }

  /// The parts of consecutive elements.
  public func parts(of elements: Range<Int>) -> [Int] { elements.map(part) }

  /// Adds λ x to y with the coefficient of each element's part.
  ///
  /// - Parameters:
  ///   - x: The elements.
  ///   - coefficients: λ of each part.
  ///   - parts: The parts of the elements.
  ///   - y: What is added to.
  public static func add(
    _ x: Span<Float>, times coefficients: [Float], _ parts: [Int],
    to y: inout MutableSpan<Float>
  ) {
    for place in 0..<x.count { y[place] += coefficients[parts[place]] * x[place] }
  }
}
