internal import TinctureTensors

/// Encodes one tensor of all experts.
///
/// Elements are gone through in blocks, in as many passes as the codec needs; only codes are kept.
struct TensorEncoder {
  let codec: BankCodec
  let name: String
  /// The base's tensor; nil for one that only experts have.
  let base: (any WeightSource)?
  /// A shared vector that is stored already and must stay.
  var shared: BankVector?

  /// A vector and whose it is.
  typealias Output = (owner: VectorOwner, vector: EncodedVector)

  /// Encodes the tensor of some experts.
  ///
  /// - Parameters:
  ///   - experts: Names and tensors; nil for an expert that does not have it.
  ///   - makesShared: Whether a shared vector is made of them, where the codec has one.
  /// - Returns: The vectors, none for an expert whose tensor equals the base's.
  /// - Throws: `checkpoint` for elements that are not finite, or what reading throws.
  func encode(_ experts: [(name: String, source: (any WeightSource)?)], makesShared: Bool)
    throws(TinctureError) -> [Output]
  {
    var outputs: [Output] = []
    var different: [Expert] = []
    for (name, source) in experts {
      guard let source else {
        if let base {
          let record = VectorRecord(.absent, role: .weights, shape: base.shape, dtype: base.dtype)
          outputs.append((.expert(name), EncodedVector(record: record, parts: [])))
        }
        continue
      }
      guard let base, base.shape == source.shape, isCoded(source), isCoded(base) else {
        if try !equalsBase(source) { outputs.append((.expert(name), try elements(source))) }
        continue
      }
      // Task vectors are gone through anyway, when their codes are made.
      let norm: Double? =
        codec.kind == .tvq
        ? nil
        : try squaredSum(base.shape) { (range, output) throws(TinctureError) in
          try Self.difference(source, base, range, &output)
        }
      if norm == 0, source.dtype == base.dtype { continue }
      different.append(Expert(name: name, source: source, squaredNorm: norm))
    }
    guard let base, !different.isEmpty else { return outputs }
    if codec.kind == .tall || codec.kind == .emr {
      return outputs + (try masks(different, base))
    }
    var made: EncodedVector?
    if codec.kind == .rtvq, makesShared {
      made = try encodeMean(different, base, total: experts.count)
      if let made { outputs.append((.shared, made)) }
    }
    for expert in different {
      var vector = try encode(expert, different, base, made, total: experts.count)
      vector.record.squaredNorm = expert.squaredNorm ?? vector.squaredSum
      if expert.squaredNorm == nil, vector.squaredSum == 0, vector.record.role == .difference,
        expert.source.dtype == base.dtype
      {
        continue
      }
      // What a vector's codes lose is what the expert lacks, unless the shared vector adds its own loss.
      let isAlone = vector.record.role != .offset || codec.correctsErrors || made == nil
      vector.record.squaredError =
        isAlone ? vector.squaredLoss : try squaredError(of: vector, expert, base, made)
      outputs.append((.expert(expert.name), vector))
    }
    return outputs
  }

  /// An expert whose tensor is coded.
  private struct Expert {
    let name: String
    let source: any WeightSource
    /// The squared norm of the task vector; nil when it is not known yet.
    let squaredNorm: Double?
  }

  private func isCoded(_ source: any WeightSource) -> Bool {
    codec.codes(name, source.shape, source.dtype)
  }

  private func encode(
    _ expert: Expert, _ all: [Expert], _ base: any WeightSource, _ made: EncodedVector?,
    total: Int
  ) throws(TinctureError) -> EncodedVector {
    let source = expert.source
    let vector: EncodedVector?
    switch codec.kind {
    case .raw, .tall, .emr: vector = nil
    case .affine:
      vector = try affine(.weights, source.dtype, codec.bits) {
        (range, output) throws(TinctureError) in
        try source.read(range, into: &output)
      }
    case .rtvq where made != nil || shared != nil:
      vector = try affine(.offset, source.dtype, codec.bits) {
        (range, output) throws(TinctureError) in
        // Weights less θ₀ + β̂, or less the mean.
        var reference = ContiguousArray<Float>(repeating: 0, count: range.count)
        var span = reference.mutableSpan
        if codec.correctsErrors || made == nil {
          try decodeShared(made, range, &span)
          try base.read(range, into: &output)
          Kernels.add(output.span, to: &span)
        } else {
          try Self.mean(all, base, total, range, &span)
        }
        try source.read(range, into: &output)
        Kernels.subtract(span.span, from: &output)
      }
    case .tvq, .rtvq:
      vector = try affine(.difference, source.dtype, codec.bits) {
        (range, output) throws(TinctureError) in
        try Self.difference(source, base, range, &output)
      }
    }
    if let vector { return vector }
    return try elements(source)
  }

  private func masks(_ experts: [Expert], _ base: any WeightSource) throws(TinctureError)
    -> [Output]
  {
    let encoder = MaskEncoder(
      kind: codec.kind, threshold: Float(codec.maskThreshold), shape: base.shape, stored: shared)
    let (made, vectors) = try encoder.encode(experts.map(\.source.dtype)) {
      (index, range, output) throws(TinctureError) in
      try Self.difference(experts[index].source, base, range, &output)
    }
    var outputs: [Output] = made.map { [(.shared, $0)] } ?? []
    for (expert, vector) in zip(experts, vectors) {
      var vector = vector
      let norm = expert.squaredNorm ?? 0
      vector.record.squaredNorm = norm
      vector.record.squaredError = vector.maskSums?.squaredError(norm, factor: 1) ?? 0
      outputs.append((.expert(expert.name), vector))
    }
    return outputs
  }

  private func encodeMean(_ experts: [Expert], _ base: any WeightSource, total: Int)
    throws(TinctureError) -> EncodedVector?
  {
    try affine(.shared, .f32, codec.baseBits) { (range, output) throws(TinctureError) in
      try Self.mean(experts, base, total, range, &output)
      var values = ContiguousArray<Float>(repeating: 0, count: range.count)
      var span = values.mutableSpan
      try base.read(range, into: &span)
      Kernels.subtract(span.span, from: &output)
    }
  }

  // The mean of the weights of all experts; those that are not listed equal the base.
  private static func mean(
    _ experts: [Expert], _ base: any WeightSource, _ total: Int, _ range: Range<Int>,
    _ output: inout MutableSpan<Float>
  ) throws(TinctureError) {
    var values = ContiguousArray<Float>(repeating: 0, count: range.count)
    var span = values.mutableSpan
    Kernels.clear(&output)
    for expert in experts {
      try expert.source.read(range, into: &span)
      Kernels.add(span.span, to: &output)
    }
    if total > experts.count {
      try base.read(range, into: &span)
      Kernels.add(span.span, times: Float(total - experts.count), to: &output)
    }
    let count = Float(total)
    for index in 0..<output.count { output[index] = output[index] / count }
  }

  private func decodeShared(
    _ made: EncodedVector?, _ range: Range<Int>, _ output: inout MutableSpan<Float>
  ) throws(TinctureError) {
    if let made {
      made.decode(range, into: &output)
    } else {
      try shared?.decode(range, into: &output)
    }
  }

  /// ‖τ − β̂ − ô‖² for an offset from the mean.
  private func squaredError(
    of vector: EncodedVector, _ expert: Expert, _ base: any WeightSource, _ made: EncodedVector?
  ) throws(TinctureError) -> Double {
    try squaredSum(base.shape) { (range, output) throws(TinctureError) in
      var values = ContiguousArray<Float>(repeating: 0, count: range.count)
      var span = values.mutableSpan
      try Self.difference(expert.source, base, range, &output)
      try decodeShared(made, range, &span)
      Kernels.subtract(span.span, from: &output)
      vector.decode(range, into: &span)
      Kernels.subtract(span.span, from: &output)
    }
  }

  static func difference(
    _ source: any WeightSource, _ base: any WeightSource, _ range: Range<Int>,
    _ output: inout MutableSpan<Float>
  ) throws(TinctureError) {
    var values = ContiguousArray<Float>(repeating: 0, count: range.count)
    var span = values.mutableSpan
    try base.read(range, into: &span)
    try source.read(range, into: &output)
    Kernels.subtract(span.span, from: &output)
  }

  private func affine(
    _ role: VectorRole, _ dtype: DType, _ bits: Int, _ vector: AffineEncoder.Vector
  ) throws(TinctureError) -> EncodedVector? {
    guard let base else { return nil }
    let encoder = AffineEncoder(
      bits: bits, grouping: codec.grouping, clips: codec.clips, shape: base.shape, role: role,
      dtype: dtype)
    return try encoder.encode(vector)
  }

  /// The tensor as it is.
  private func elements(_ source: any WeightSource) throws(TinctureError) -> EncodedVector {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(source.shape.byteCount(of: source.dtype) ?? 0)
    try source.forEachPiece { (piece) throws(TinctureError) in bytes.append(contentsOf: piece) }
    return EncodedVector(
      record: VectorRecord(
        .elements, role: .weights, shape: source.shape, dtype: source.dtype),
      parts: [EncodedPart("elements", source.dtype, bytes)])
  }

  private func equalsBase(_ source: any WeightSource) throws(TinctureError) -> Bool {
    guard let base, base.shape == source.shape, base.dtype == source.dtype else { return false }
    var own: [UInt8] = []
    try source.forEachPiece { (piece) throws(TinctureError) in own.append(contentsOf: piece) }
    var position = 0
    var isEqual = true
    try base.forEachPiece { (piece) throws(TinctureError) in
      if isEqual, position + piece.count <= own.count {
        isEqual = own[position..<position + piece.count].elementsEqual(piece)
      }
      position += piece.count
    }
    return isEqual && position == own.count
  }

  private func squaredSum(_ shape: Shape, _ vector: AffineEncoder.Vector) throws(TinctureError)
    -> Double
  {
    var sum = 0.0
    var values = ContiguousArray<Float>(repeating: 0, count: 1 << 16)
    for start in stride(from: 0, to: shape.elementCount, by: 1 << 16) {
      let range = start..<min(start + 1 << 16, shape.elementCount)
      var all = values.mutableSpan
      var span = all._mutatingExtracting(0..<range.count)
      try vector(range, &span)
      Kernels.addDot(span.span, span.span, to: &sum)
    }
    return sum
  }
}
