internal import TinctureTensors

extension TensorEncoder {
  /// Measures what the tensor takes and loses at every width.
  ///
  /// - Parameter experts: Names and tensors; nil for an expert that does not have it.
  /// - Returns: The table; tensors without codes have fixed bytes only.
  /// - Throws: `checkpoint` for elements that are not finite, or what reading throws.
  /// - Complexity: O(n w) for w widths, times as many again with a shared vector.
  func widthTable(_ experts: [(name: String, source: (any WeightSource)?)]) throws(TinctureError)
    -> WidthTable
  {
    let (outputs, different) = try sorted(experts)
    var fixed = 0
    for (owner, vector) in outputs {
      fixed += DescriptionSize.bound(vector.record, tensor: name, owner: owner)
      fixed += vector.parts.reduce(0) { $0 + $1.bytes.count }
    }
    guard let base, !different.isEmpty else {
      return WidthTable(
        tensor: name, fixedBytes: fixed, experts: [], shared: [0: 0], own: [0: []])
    }
    let hasShared = codec.kind == .rtvq
    func describe(_ owner: VectorOwner, _ dtype: DType) -> Int {
      let record = VectorRecord(
        .affine(bits: 8, codec.grouping), role: hasShared ? .offset : .difference,
        shape: base.shape, dtype: dtype)
      return DescriptionSize.bound(record, tensor: name, owner: owner)
    }
    for expert in different { fixed += describe(.expert(expert.name), expert.source.dtype) }
    if hasShared { fixed += describe(.shared, .f32) }
    let vectors = TaskVectors(base: base, experts: different, total: experts.count)
    let part = MeasuredPart(base.shape, codec.grouping)
    guard hasShared else {
      var costs: [[Int: WidthTable.Cost]] = []
      for expert in different {
        do throws(TinctureError) {
          let isWeights = codec.kind == .affine
          let vector = try part.read { (range, output) throws(TinctureError) in
            if isWeights {
              try expert.source.read(range, into: &output)
            } else {
              try vectors.difference(expert, range, &output)
            }
          }
          costs.append(try self.costs(vector, expert.source.dtype))
        } catch { throw error.located(model: expert.name) }
      }
      return WidthTable(
        tensor: name, fixedBytes: fixed, experts: different.map(\.name), shared: [0: 0],
        own: [0: costs])
    }
    return try sharedTable(vectors, part, fixed)
  }

  private func sharedTable(_ vectors: TaskVectors, _ part: MeasuredPart, _ fixed: Int)
    throws(TinctureError) -> WidthTable
  {
    let mean = try part.read(vectors.meanDifference)
    var shared: [Int: Int] = [:]
    var own: [Int: [[Int: WidthTable.Cost]]] = [:]
    var outcomes: [Int: AffineEncoder.Outcome] = [:]
    for width in BitBudget.widths {
      guard let outcome = try mean.quantize(bits: width, clips: codec.clips) else { continue }
      outcomes[width] = outcome
      shared[width] = outcome.codes == nil ? 0 : byteCount(vectors.base.shape, bits: width)
    }
    for expert in vectors.experts {
      do throws(TinctureError) {
        let vector = try part.read { (range, output) throws(TinctureError) in
          try vectors.difference(expert, range, &output)
        }
        for (width, outcome) in outcomes.sorted(by: { $0.key < $1.key }) {
          let offset = vector.less(outcome)
          own[width, default: []].append(
            try codec.correctsErrors
              ? costs(offset, expert.source.dtype)
              : costs(vector.less(mean), expert.source.dtype, left: offset))
        }
        // Without codes of the shared vector, experts are stored without it.
        if outcomes.isEmpty {
          own[0, default: []].append(try costs(vector, expert.source.dtype))
        }
      } catch { throw error.located(model: expert.name) }
    }
    return WidthTable(
      tensor: name, fixedBytes: fixed, experts: vectors.experts.map(\.name),
      shared: outcomes.isEmpty ? [0: 0] : shared, own: own)
  }

  /// Bytes and errors of a vector's codes; the error is that of another vector when one is given.
  private func costs(_ vector: MeasuredVector, _ dtype: DType, left: MeasuredVector? = nil)
    throws(TinctureError) -> [Int: WidthTable.Cost]
  {
    var costs: [Int: WidthTable.Cost] = [:]
    guard let base else { return costs }
    for width in BitBudget.widths {
      guard let outcome = try vector.quantize(bits: width, clips: codec.clips) else {
        costs[width] = .init(bytes: base.shape.byteCount(of: dtype) ?? 0)
        continue
      }
      let error = left.map { $0.less(outcome).squaredSum }
      costs[width] = .init(
        bytes: outcome.codes == nil ? 0 : byteCount(base.shape, bits: width),
        error: error ?? outcome.squaredLoss * vector.part.weight)
    }
    return costs
  }

  private func byteCount(_ shape: Shape, bits: Int) -> Int {
    AffineEncoder(
      bits: bits, grouping: codec.grouping, clips: codec.clips, shape: shape, role: .difference,
      dtype: .f32
    ).byteCount
  }
}
