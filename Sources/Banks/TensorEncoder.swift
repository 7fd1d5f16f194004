internal import TinctureTensors

/// Encodes one tensor of all experts.
///
/// Elements are gone through in blocks, in as many passes as the codec needs; only codes are kept.
struct TensorEncoder {
  let codec: BankCodec
  let name: String
  /// The bits of the tensor's codes.
  let widths: TensorWidths
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
    var (outputs, different) = try sorted(experts)
    guard let base, !different.isEmpty else { return outputs }
    let vectors = TaskVectors(base: base, experts: different, total: experts.count)
    if codec.kind == .tall || codec.kind == .emr {
      return outputs + (try masks(vectors))
    }
    var made: EncodedVector?
    if codec.kind == .rtvq, makesShared {
      made = try encoder(.shared, .f32, base.shape, bits: widths.shared).encode(
        vectors.meanDifference)
      if let made { outputs.append((.shared, made)) }
    }
    for expert in different {
      do throws(TinctureError) {
        guard let vector = try encode(expert, vectors, made) else { continue }
        outputs.append((.expert(expert.name), vector))
      } catch { throw error.located(model: expert.name) }
    }
    return outputs
  }

  /// The vectors that are stored as they are, and the experts whose tensors are to be coded.
  func sorted(_ experts: [(name: String, source: (any WeightSource)?)])
    throws(TinctureError) -> (outputs: [Output], different: [TaskVectors.Expert])
  {
    var outputs: [Output] = []
    var different: [TaskVectors.Expert] = []
    for (name, source) in experts {
      do throws(TinctureError) {
        guard let source else {
          if let base {
            let record = VectorRecord(
              .absent, role: .weights, shape: base.shape, dtype: base.dtype)
            outputs.append((.expert(name), EncodedVector(record: record, parts: [])))
          }
          continue
        }
        if let base, try source.equals(base) { continue }
        if let base, base.shape == source.shape, isCoded(source), isCoded(base) {
          different.append(.init(name: name, source: source))
        } else {
          outputs.append((.expert(name), try elements(source)))
        }
      } catch { throw error.located(model: name) }
    }
    return (outputs, different)
  }

  private func isCoded(_ source: any WeightSource) -> Bool {
    codec.codes(name, source.shape, source.dtype)
  }

  private func encoder(_ role: VectorRole, _ dtype: DType, _ shape: Shape, bits: Int)
    -> any VectorEncoder
  {
    switch codec.kind {
    case .svd:
      LowRankEncoder(
        count: codec.rank ?? .share(1), factorType: codec.bits == 16 ? .f16 : .f32, shape: shape,
        role: role, dtype: dtype)
    case .sparse:
      SparseEncoder(
        density: codec.density, outliers: codec.outliers, bits: bits, shape: shape, role: role,
        dtype: dtype)
    case .binary:
      BinaryEncoder(
        planes: bits, grouping: codec.grouping, terms: codec.scaleTerms, rounds: codec.rounds,
        shape: shape, role: role, dtype: dtype)
    default:
      AffineEncoder(
        bits: bits, grouping: codec.grouping, clips: codec.clips, shape: shape, role: role,
        dtype: dtype)
    }
  }

  /// The vector of an expert; nil when the expert does not differ from the base.
  private func encode(
    _ expert: TaskVectors.Expert, _ vectors: TaskVectors, _ made: EncodedVector?
  ) throws(TinctureError) -> EncodedVector? {
    let source = expert.source
    let difference: VectorElements = { (range, output) throws(TinctureError) in
      try vectors.difference(expert, range, &output)
    }
    let usesShared = codec.kind == .rtvq && (made != nil || shared != nil)
    let role: VectorRole =
      codec.kind == .affine ? .weights : usesShared ? .offset : .difference
    // The codes of task vectors need all of them anyway.
    let norm = role == .difference ? nil : try vectors.squaredSum(difference)
    if norm == 0, source.dtype == vectors.base.dtype { return nil }
    let encoder = encoder(role, source.dtype, source.shape, bits: widths[expert.name])
    // What a vector's codes lose is what the expert lacks, unless the shared vector adds its own loss.
    let isCorrected = codec.correctsErrors || made == nil
    let decodeShared: VectorElements = { (range, output) throws(TinctureError) in
      try self.decodeShared(made, range, &output)
    }
    let coded: EncodedVector?
    switch role {
    case .weights:
      coded = try encoder.encode { (range, output) throws(TinctureError) in
        try source.read(range, into: &output)
      }
    case .offset:
      coded = try encoder.encode { (range, output) throws(TinctureError) in
        try vectors.offset(expert, range, &output, shared: isCorrected ? decodeShared : nil)
      }
    case .difference, .shared: coded = try encoder.encode(difference)
    }
    var vector: EncodedVector
    if let coded { vector = coded } else { vector = try elements(source) }
    vector.record.squaredNorm = norm ?? vector.squaredSum
    if coded != nil, norm == nil, vector.squaredSum == 0, source.dtype == vectors.base.dtype {
      return nil
    }
    vector.record.squaredError = vector.squaredLoss
    if vector.record.role == .offset, !isCorrected {
      let whole = vector
      vector.record.squaredError = try vectors.squaredSum {
        (range, output) throws(TinctureError) in
        var values = ContiguousArray<Float>(repeating: 0, count: range.count)
        var span = values.mutableSpan
        try difference(range, &output)
        try decodeShared(range, &span)
        Kernels.subtract(span.span, from: &output)
        whole.decode(range, into: &span)
        Kernels.subtract(span.span, from: &output)
      }
    }
    return vector
  }

  private func masks(_ vectors: TaskVectors) throws(TinctureError) -> [Output] {
    let encoder = MaskEncoder(
      kind: codec.kind,
      thresholds: vectors.experts.map { _ in Float(codec.maskThreshold) },
      shape: vectors.base.shape, stored: shared)
    let (made, encoded) = try encoder.encode(vectors.experts.map(\.source.dtype)) {
      (index, range, output) throws(TinctureError) in
      let expert = vectors.experts[index]
      do throws(TinctureError) {
        try vectors.difference(expert, range, &output)
        try FiniteElements.require(output.span, from: range.lowerBound)
      } catch { throw error.located(model: expert.name) }
    }
    var outputs: [Output] = made.map { [(.shared, $0)] } ?? []
    for (expert, vector) in zip(vectors.experts, encoded) {
      outputs.append((.expert(expert.name), vector))
    }
    return outputs
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

  /// The tensor as it is.
  private func elements(_ source: any WeightSource) throws(TinctureError) -> EncodedVector {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(source.shape.byteCount(of: source.dtype) ?? 0)
    let width = source.dtype.isArithmetic ? source.dtype.byteWidth : nil
    try source.forEachPiece { (piece) throws(TinctureError) in
      if let width {
        var values = ContiguousArray<Float>(repeating: 0, count: piece.count / width)
        var span = values.mutableSpan
        let largest = Kernels.widen(piece, as: source.dtype, into: &span)
        if largest >= FiniteElements.limit {
          try FiniteElements.require(span.span, from: bytes.count / width)
        }
      }
      bytes.append(contentsOf: piece)
    }
    return EncodedVector(
      record: VectorRecord(
        .elements, role: .weights, shape: source.shape, dtype: source.dtype),
      parts: [EncodedPart("elements", source.dtype, bytes)])
  }
}
