public import TinctureTensors
public import TinctureTorch

/// Texts as ids of tokens, one text in each row.
public struct TokenBatch: Sendable {
  /// The ids, i64 [N, tokens].
  public let ids: TorchTensor
  /// Which tokens belong to the texts, as truth values [N, tokens]; nil when all do, so that nothing
  /// was padded.
  public let mask: TorchTensor?
  /// The number of the part of the text in which each token stands, i64 [N, tokens]; nil is zero for all.
  public let types: TorchTensor?

  /// Creates a batch.
  ///
  /// - Parameters:
  ///   - ids: The ids, i64 [N, tokens].
  ///   - mask: Which tokens belong to the texts: truth values, or numbers that are not zero.
  ///   - types: The number of the part of the text in which each token stands.
  /// - Throws: `engine` when the shapes differ.
  public init(
    ids: TorchTensor, mask: TorchTensor? = nil, types: TorchTensor? = nil
  ) throws(TinctureError) {
    for other in [mask, types] {
      guard let other, other.shape != ids.shape || ids.rank != 2 else { continue }
      throw TinctureError(
        .engine, "A mask or types \(other.shape) do not fit ids \(ids.shape), a row for each text.")
    }
    self.ids = ids
    self.mask = if let mask, mask.dtype != .bool { try mask .!= 0 } else { mask }
    self.types = types
  }

  /// Creates a batch from texts of any lengths, padded behind.
  ///
  /// - Parameters:
  ///   - rows: The ids of each text.
  ///   - padding: The id that fills up shorter texts.
  ///   - types: The types of the tokens of each text; nil is zero for all.
  ///   - device: Where the tensors shall lie.
  /// - Throws: `engine` when memory runs out; `missingFacility` without LibTorch.
  public init(
    _ rows: [[Int]], padding: Int, types: [[Int]]? = nil, on device: TorchDevice = .cpu
  ) throws(TinctureError) {
    let length = rows.map(\.count).max() ?? 0
    func filled(_ rows: [[Int]], with filler: Int) -> [Int] {
      rows.flatMap { $0 + Array(repeating: filler, count: max(0, length - $0.count)) }
    }
    let shape = [rows.count, length]
    let isPadded = rows.contains { $0.count < length }
    try self.init(
      ids: TorchTensor(filled(rows, with: padding), shape: shape, on: device),
      mask: isPadded
        ? TorchTensor(
          rows.flatMap { row in (0..<length).map { $0 < row.count } }, shape: shape, on: device)
        : nil,
      types: types.map { (types) throws(TinctureError) in
        try TorchTensor(filled(types, with: 0), shape: shape, on: device)
      })
  }
}

/// A network from texts to features.
public protocol TextEncoder: Network {
  /// The numbers in a feature.
  var featureWidth: Int { get }

  /// The features of texts.
  ///
  /// - Parameters:
  ///   - batch: The texts.
  ///   - parameters: What ``Network/parameterShapes`` lists.
  /// - Returns: The features [N, ``featureWidth``].
  /// - Throws: `checkpoint` for a missing parameter, `engine` when LibTorch fails.
  func features(
    of batch: TokenBatch, _ parameters: Parameters
  ) throws(TinctureError) -> TorchTensor
}

extension TokenBatch {
  /// Which keys the queries of a text may see: truth values [N or 1, 1, queries or 1, keys].
  ///
  /// - Parameters:
  ///   - causal: Whether a token sees no later one.
  ///   - window: How many tokens, itself included, a token sees at most.
  /// - Returns: The mask, or nil when every token sees every other.
  /// - Throws: `engine` when LibTorch fails.
  func attentionMask(
    causal: Bool = false, window: Int? = nil
  ) throws(TinctureError) -> TorchTensor? {
    let shape = ids.shape
    let keys = try mask?.reshaped([shape[0], 1, 1, shape[1]])
    guard causal else { return keys }
    let position = try TorchTensor.range(0..<shape[1], on: ids.device)
    let distance = try position.unsqueezed(at: 1) - position.unsqueezed(at: 0)
    let zero = try TorchTensor(0, on: ids.device)
    var seen = try zero .<= distance
    if let window, window < shape[1] {
      seen = try seen .& (distance .< TorchTensor(window, on: ids.device))
    }
    seen = try seen.reshaped([1, 1, shape[1], shape[1]])
    return if let keys { try seen .& keys } else { seen }
  }
}
