internal import SystemPackage
internal import TinctureCheckpoints
internal import TinctureSafetensors
internal import TinctureTensors
internal import TinctureTorch

/// The vectors of all experts for one tensor on a device, packed as they are stored: Σ aₜ vₜ for any a.
struct MixtureTerm: Sendable {
  private enum Piece: Sendable {
    /// Vectors as rows [k, n].
    case dense(TorchTensor)
    /// The factors of all vectors side by side, [m, Σr] and [Σr, n].
    case lowRank(TorchTensor, TorchTensor)
    /// The places and the values of all vectors one after another.
    case sparse(TorchTensor, TorchTensor)
  }

  private let extents: [Int]
  /// What is stored alike, with the expert of each row, column or value.
  private let pieces: [(piece: Piece, experts: TorchTensor)]

  /// Reads the vectors of a tensor.
  ///
  /// - Parameters:
  ///   - name: The tensor.
  ///   - extents: The extents that the model's tensor has.
  ///   - mixture: The mixture.
  ///   - unpacks: Whether all elements are held, which is faster where there is memory for them.
  ///   - device: Where the vectors shall lie.
  /// - Throws: `checkpoint` when a vector does not fit the tensor or is malformed, `io`.
  init(
    _ name: String, extents: [Int], of mixture: Mixture, unpacks: Bool, on device: TorchDevice
  ) throws(TinctureError) {
    var dense: (rows: [Float], experts: [Int]) = ([], [])
    var sparse: (places: [Int], values: [Float], experts: [Int]) = ([], [], [])
    var factors: [(left: TorchTensor, right: TorchTensor)] = []
    var columns: [Int] = []
    for (expert, own) in mixture.experts.enumerated() {
      guard let vector = own.vectors[name] else { continue }
      guard vector.shape.extents == extents else {
        throw TinctureError(
          .checkpoint,
          "The mixture has a vector \(vector.shape) of '\(own.name)' for this tensor, whose shape is"
            + " \(extents).", at: .init(file: mixture.file.file.path.string, tensor: name))
      }
      if unpacks {
        var values = ContiguousArray<Float>(repeating: 0, count: vector.shape.elementCount)
        try mixture.add(vector, times: 1, to: &values)
        dense.rows += values
        dense.experts.append(expert)
        continue
      }
      switch vector.form {
      case .dense(let tensor):
        dense.rows += try mixture.values(tensor)
        dense.experts.append(expert)
      case .sparse(let mask, let stored):
        let places = try mixture.places(mask: mask, values: stored, of: vector.shape)
        sparse.places += places
        sparse.values += try mixture.values(stored)
        sparse.experts += Array(repeating: expert, count: places.count)
      case .lowRank(let left, let right):
        factors.append(
          (try mixture.tensor(left, on: device), try mixture.tensor(right, on: device)))
        columns += Array(repeating: expert, count: right.shape.extents[0])
      }
    }
    var pieces: [(Piece, TorchTensor)] = []
    if !dense.experts.isEmpty {
      let length = dense.rows.count / dense.experts.count
      let rows = try TorchTensor(dense.rows, shape: [dense.experts.count, length], on: device)
      pieces.append((.dense(rows), try TorchTensor(dense.experts, on: device)))
    }
    if !factors.isEmpty {
      let left = try TorchTensor.concatenated(factors.map(\.left), along: 1)
      let right = try TorchTensor.concatenated(factors.map(\.right), along: 0)
      pieces.append((.lowRank(left, right), try TorchTensor(columns, on: device)))
    }
    if !sparse.experts.isEmpty {
      let places = try TorchTensor(sparse.places, on: device)
      let values = try TorchTensor(sparse.values, on: device)
      pieces.append((.sparse(places, values), try TorchTensor(sparse.experts, on: device)))
    }
    self.extents = extents
    self.pieces = pieces
  }

  /// θ + Σ aₜ vₜ.
  ///
  /// - Parameters:
  ///   - shared: θ.
  ///   - weights: a, one number for each expert.
  /// - Returns: A tensor of θ's shape.
  /// - Throws: `engine` when memory runs out.
  func mixed(
    _ shared: TorchTensor, _ weights: TorchTensor
  ) throws(TinctureError) -> TorchTensor {
    var sum = shared
    for (piece, experts) in pieces {
      let factors = try weights.selected(at: experts, along: 0)
      switch piece {
      case .dense(let rows):
        sum = try sum + factors.unsqueezed(at: 0).matmul(rows).reshaped(extents)
      case .lowRank(let left, let right): sum = try sum + (left * factors).matmul(right)
      case .sparse(let places, let values):
        sum = try sum.flattened().scatterAdded(values * factors, at: places, along: 0)
          .reshaped(extents)
      }
    }
    return sum
  }
}

extension Mixture {
  /// A tensor of the file in single precision.
  func tensor(
    _ stored: StoredTensor, on device: TorchDevice
  ) throws(TinctureError) -> TorchTensor {
    try TorchTensor(Array(values(stored)), shape: stored.shape.extents, on: device)
  }

  /// The tensors of a router by their roles, of given shapes.
  ///
  /// - Parameters:
  ///   - router: The router.
  ///   - shapes: What it must have.
  ///   - device: Where tensors shall lie.
  /// - Returns: The tensors by role.
  /// - Throws: `checkpoint` for a tensor that is missing or misshapen.
  func tensors(
    of router: Router, _ shapes: [(role: String, extents: [Int])], on device: TorchDevice
  ) throws(TinctureError) -> [String: TorchTensor] {
    var tensors: [String: TorchTensor] = [:]
    for (role, extents) in shapes {
      guard let stored = router.tensors[role], stored.shape.extents == extents else {
        let found = router.tensors[role].map { "\($0.shape)" } ?? "none"
        throw TinctureError(
          .checkpoint,
          "A router needs \(extents) as '\(role)', for this network and \(experts.count) experts; the mixture"
            + " has \(found).", at: .init(file: file.file.path.string))
      }
      tensors[role] = try tensor(stored, on: device)
    }
    return tensors
  }

  /// Equal for files of the same contents.
  func digest() throws(TinctureError) -> String {
    var digest = ContentDigest()
    let size = file.file.size
    for start in stride(from: 0, to: size, by: 1 << 22) {
      let bytes = try file.file.bytes(at: start, count: min(1 << 22, size - start))
      bytes.withUnsafeBytes { digest.update($0) }
    }
    return digest.finish()
  }
}
