/// Coefficients λ of task vectors: rows of one coefficient for each task, and which elements each row is for.
///
/// What is learned are the raw values; what a model is merged with is a function of them. A tensor is cut
/// into chunks of consecutive elements, mostly a single one, and every chunk has a row, which it may share with
/// others. A chunk without a row keeps the coefficient with which all began.
public struct CoefficientTable: Sendable, Hashable {
  /// Which elements share coefficients.
  public enum Granularity: String, Sendable, Hashable, CaseIterable {
    /// All of them: one coefficient for each task.
    case task = "task_wise"
    /// Those of a layer of the network; tensors outside of layers have their own.
    case block = "block_wise"
    /// Those of a tensor.
    case layer = "layer_wise"
    /// Those of a chunk of a tensor.
    case chunk = "chunk_wise"
    /// Those of a random part of a matrix or of a tensor of more axes; vectors are not divided.
    case part = "part_wise"
  }

  /// How coefficients follow from the raw values.
  public enum Link: Sendable, Hashable {
    /// They are the raw values.
    case identity
    /// They are the raw values brought between bounds; out of bounds the derivative is zero.
    case clamped(ClosedRange<Float>)
    /// 1 / (1 + e⁻ˣ).
    case sigmoid
    /// tanh x.
    case tanh
  }

  /// Consecutive elements of a tensor.
  struct Chunk: Sendable, Hashable {
    let elements: Range<Int>
    /// The row of their coefficients; nil where they are not learned.
    let row: Int?
  }

  /// How many tasks there are.
  public let taskCount: Int
  /// How coefficients follow from the raw values.
  public let link: Link
  /// The raw values, row after row.
  public internal(set) var raw: [Float]
  private let tensorChunks: [[Chunk]]
  private let tensorParts: [RandomParts?]
  private let fixed: [Float]
  private let isCommon: Bool

  /// Creates a table in which every task begins with the same coefficient.
  ///
  /// - Parameters:
  ///   - granularity: Which elements share coefficients.
  ///   - tensors: What is merged.
  ///   - starts: The coefficient of each task with which all rows begin.
  ///   - link: How coefficients follow from the raw values.
  ///   - chunkCounts: How many chunks or parts each tensor has; 0 learns nothing for it, whatever shares
  ///     coefficients.
  ///   - seed: The seed of random parts.
  public init(
    _ granularity: Granularity, tensors: [TaskVectorSet.Tensor], starts: [Float], link: Link,
    chunkCounts: [Int]? = nil, seed: UInt64 = 0
  ) {
    taskCount = starts.count
    self.link = link
    fixed = starts
    isCommon = granularity == .task
    var rowCount = granularity == .task ? 1 : 0
    var rowOfLayer: [Int: Int] = [:]
    func newRow() -> Int {
      rowCount += 1
      return rowCount - 1
    }
    var chunks: [[Chunk]] = []
    var parts = [RandomParts?](repeating: nil, count: tensors.count)
    for (index, tensor) in tensors.enumerated() {
      let whole = 0..<tensor.elementCount
      let wanted = chunkCounts?[index] ?? 1
      guard wanted > 0 else {
        chunks.append([Chunk(elements: whole, row: nil)])
        continue
      }
      switch granularity {
      case .task: chunks.append([Chunk(elements: whole, row: 0)])
      case .layer: chunks.append([Chunk(elements: whole, row: newRow())])
      case .block:
        let row = tensor.layer.flatMap { rowOfLayer[$0] } ?? newRow()
        if let layer = tensor.layer { rowOfLayer[layer] = row }
        chunks.append([Chunk(elements: whole, row: row)])
      case .chunk:
        let count = min(wanted, max(1, tensor.elementCount))
        chunks.append(
          (0..<count).map { part in
            let begin = tensor.elementCount * part / count
            let end = tensor.elementCount * (part + 1) / count
            return Chunk(elements: begin..<end, row: newRow())
          })
      case .part:
        let count = tensor.extents.count > 1 ? wanted : 1
        if count > 1 { parts[index] = RandomParts(count, seed: seed, tensor: tensor.name) }
        chunks.append((0..<count).map { _ in Chunk(elements: whole, row: newRow()) })
      }
    }
    tensorChunks = chunks
    tensorParts = parts
    let begun = starts.map { link.raw($0) }
    raw = (0..<rowCount).flatMap { _ in begun }
  }

  /// The chunks of a tensor, in order, which cover it.
  func chunks(_ tensor: Int) -> [Chunk] { tensorChunks[tensor] }

  /// How the elements of a tensor belong to its chunks, where these are random parts of it.
  public func parts(_ tensor: Int) -> RandomParts? { tensorParts[tensor] }

  /// The least and the greatest coefficient that is learned.
  var range: ClosedRange<Double>? {
    let values = raw.map { Double(link.coefficient($0)) }
    guard let least = values.min(), let greatest = values.max() else { return nil }
    return least...greatest
  }

  /// A table with coefficients for each tensor, given as they are.
  ///
  /// - Parameters:
  ///   - tensors: What is merged.
  ///   - coefficients: For each tensor a coefficient for every task.
  ///   - others: The coefficients of tensors that are not in the table.
  public init(
    _ tensors: [TaskVectorSet.Tensor], coefficients: [[Float]], others: [Float]
  ) {
    self.init(.layer, tensors: tensors, starts: others, link: .identity)
    raw = coefficients.flatMap(\.self)
  }

  /// The coefficients of a row, one for each task.
  func coefficients(_ row: Int?) -> [Float] {
    guard let row else { return fixed }
    return raw[row * taskCount..<(row + 1) * taskCount].map(link.coefficient)
  }

  /// The coefficients of a tensor's chunks with their elements.
  ///
  /// - Parameter tensor: The number of the tensor.
  /// - Returns: Ranges that cover the tensor, each with a coefficient for every task; for random parts each
  ///   range is the whole tensor.
  public func coefficients(ofTensor tensor: Int) -> [(elements: Range<Int>, values: [Float])] {
    tensorChunks[tensor].map { ($0.elements, coefficients($0.row)) }
  }

  /// The coefficients of tensors that are not in the table: the common ones, or those of the start.
  public var coefficientsOfOthers: [Float] {
    isCommon ? coefficients(0) : fixed
  }

  /// The mean over the elements of a tensor of each task's coefficient.
  public func meanCoefficients(_ tensor: Int) -> [Float] {
    let parts = coefficients(ofTensor: tensor)
    let total = Float(max(1, parts.reduce(0) { $0 + $1.elements.count }))
    guard parts.count > 1 else { return parts.first?.values ?? fixed }
    return (0..<taskCount).map { task in
      parts.reduce(0) { $0 + $1.values[task] * Float($1.elements.count) / total }
    }
  }

  /// The derivative with respect to the raw values.
  ///
  /// - Parameter products: For each tensor ⟨∂loss/∂θ, τ⟩ of each chunk and task, chunk after chunk.
  /// - Returns: A derivative for each raw value.
  public func gradient(_ products: [[Double]]) -> [Float] {
    var sums = [Double](repeating: 0, count: raw.count)
    for (tensor, own) in products.enumerated() {
      for (number, chunk) in tensorChunks[tensor].enumerated() {
        guard let row = chunk.row else { continue }
        for task in 0..<taskCount {
          sums[row * taskCount + task] += own[number * taskCount + task]
        }
      }
    }
    return raw.indices.map { Float(sums[$0] * Double(link.slope(raw[$0]))) }
  }

  /// A range of elements cut where chunks end.
  static func pieces(_ chunks: [Chunk], _ range: Range<Int>) -> [(elements: Range<Int>, chunk: Int)]
  {
    if chunks.count == 1 { return [(range, 0)] }
    var pieces: [(Range<Int>, Int)] = []
    for (number, chunk) in chunks.enumerated() {
      let part = chunk.elements.clamped(to: range)
      if !part.isEmpty { pieces.append((part, number)) }
    }
    return pieces
  }
}

extension CoefficientTable.Link {
  /// The coefficient of a raw value.
  func coefficient(_ raw: Float) -> Float {
    switch self {
    case .identity: raw
    case .clamped(let bounds): min(max(raw, bounds.lowerBound), bounds.upperBound)
    case .sigmoid: 1 / (1 + expNegated(raw))
    case .tanh: 2 / (1 + expNegated(2 * raw)) - 1
    }
  }

  /// The derivative of the coefficient.
  func slope(_ raw: Float) -> Float {
    switch self {
    case .identity: return 1
    case .clamped(let bounds): return bounds.contains(raw) ? 1 : 0
    case .sigmoid:
      let value = coefficient(raw)
      return value * (1 - value)
    case .tanh:
      let value = coefficient(raw)
      return 1 - value * value
    }
  }

  /// The raw value of a coefficient.
  func raw(_ coefficient: Float) -> Float {
    switch self {
    case .identity, .clamped: coefficient
    case .sigmoid: Float(naturalLog(Double(coefficient) / (1 - Double(coefficient))))
    case .tanh: Float(naturalLog((1 + Double(coefficient)) / (1 - Double(coefficient))) / 2)
    }
  }
}
