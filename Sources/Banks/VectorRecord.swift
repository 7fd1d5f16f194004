public import TinctureTensors

/// What a stored vector is, in the reconstruction of an expert's tensor.
public enum VectorRole: String, Sendable, Hashable, CaseIterable {
  /// The expert's weights themselves: θ = v.
  case weights
  /// A task vector: θ = θ₀ + v.
  case difference
  /// What the shared vector β leaves: θ = θ₀ + (β + v).
  case offset
  /// The vector β that all experts share; never alone.
  case shared
}

/// Over how many elements one range of codes extends.
public enum CodeGrouping: Sendable, Hashable {
  /// The whole tensor, as published.
  case tensor
  /// Each index of the first axis.
  case row
  /// Runs of this many elements in row-major order, the last one shorter.
  case run(Int)

  /// The elements of a group, for a tensor of a shape.
  public func length(in shape: Shape) -> Int {
    switch self {
    case .tensor: max(1, shape.elementCount)
    case .row:
      max(1, shape.rank < 2 ? shape.elementCount : shape.elementCount / max(1, shape.extents[0]))
    case .run(let length): length
    }
  }

  /// The number of groups, for a tensor of a shape.
  public func count(in shape: Shape) -> Int {
    let length = length(in: shape)
    return (shape.elementCount + length - 1) / length
  }
}

/// How one vector of a bank is stored.
public struct VectorRecord: Sendable, Hashable {
  /// The ways to store a vector.
  public enum Content: Sendable, Hashable {
    /// The elements in the type of the record.
    case elements
    /// The same number everywhere; takes no bytes.
    case constant(Float)
    /// Packed affine codes of some bits, with a scale and a zero for each group.
    case affine(bits: Int, CodeGrouping)
    /// The shared vector where a bit is set, times a factor; zero elsewhere.
    case mask(scale: Float)
    /// The largest singular values of a matrix with their vectors.
    case lowRank(Int)
    /// Some elements with their places; the others are zero.
    case sparse(SparseLayout)
    /// Sums of sign vectors with scales for each group; experimental.
    case binary(BinaryLayout)
    /// The expert does not have this tensor of the base.
    case absent
  }

  /// How the elements are stored.
  public let content: Content
  /// What the vector is.
  public let role: VectorRole
  /// The extents.
  public let shape: Shape
  /// The type of the expert's tensor; single precision for what is shared.
  public let dtype: DType
  /// The sum of the squares of what the reconstructed task vector lacks, before it is rounded.
  public var squaredError = 0.0
  /// The sum of the squares of the task vector.
  public var squaredNorm = 0.0

  /// Creates a record.
  public init(_ content: Content, role: VectorRole, shape: Shape, dtype: DType) {
    self.content = content
    self.role = role
    self.shape = shape
    self.dtype = dtype
  }

  /// Whether the vector means nothing without the shared one.
  public var needsShared: Bool {
    if case .mask = content { true } else { role == .offset }
  }

  /// The parts that hold the vector, by the suffixes of their names, with types and extents; the types
  /// of an affine code's ranges have alternatives.
  public var parts: [(suffix: String, dtypes: [DType], shape: Shape)] {
    switch content {
    case .constant, .absent: []
    case .elements: [("elements", [dtype], shape)]
    case .mask:
      [("mask", [.u8], Shape(vector: PackedCodes.byteCount(shape.elementCount, bits: 1)))]
    case .lowRank(let rank):
      [
        ("left", [.f32, .f16], Shape(rows: shape.extents[0], columns: rank)),
        ("values", [.f32], Shape(vector: rank)),
        ("right", [.f32, .f16], Shape(rows: rank, columns: shape.extents[1])),
      ]
    case .sparse(let layout): layout.parts(shape)
    case .binary(let layout): layout.parts(shape)
    case .affine(let bits, let grouping):
      [
        ("scale", [.f32, .bf16], Shape(vector: grouping.count(in: shape))),
        ("zero", [.f32, .u8], Shape(vector: grouping.count(in: shape))),
        (
          "codes", [.u8],
          Shape(vector: PackedCodes.byteCount(shape.elementCount, bits: bits))
        ),
      ]
    }
  }
}

/// Whose vector it is.
public enum VectorOwner: Sendable, Hashable, Comparable {
  /// The vector that all experts share.
  case shared
  /// An expert, by name.
  case expert(String)

  /// The name of a part of a tensor's vector in the container.
  public func partName(_ tensor: String, _ suffix: String) -> String {
    switch self {
    case .shared: "shared/\(tensor):\(suffix)"
    case .expert(let name): "experts/\(name)/\(tensor):\(suffix)"
    }
  }

  /// The shared vector first, then experts by name.
  public static func < (left: VectorOwner, right: VectorOwner) -> Bool {
    switch (left, right) {
    case (.shared, .expert): true
    case (.expert(let left), .expert(let right)): left < right
    default: false
    }
  }
}
