internal import TinctureTensors

extension Planner {
  /// Looks at small samples of a few tensors and remarks on models that do not seem to be tuned from
  /// the base, or that equal it.
  mutating func noteUnrelatedBase(_ drafts: [StepDraft]) throws(TinctureError) {
    let candidates = drafts.filter {
      if case .merge = $0.action { return $0.base != nil && $0.shape.rank == 2 }
      return false
    }
    guard !candidates.isEmpty else { return }
    let stride = max(1, candidates.count / 8)
    var sums: [Int: (base: Double, model: Double, product: Double)] = [:]
    let window = ReadWindow(byteCount: 1 << 14)
    for index in Swift.stride(from: 0, to: candidates.count, by: stride) {
      let draft = candidates[index]
      guard let base = draft.base else { continue }
      let count = min(4096, draft.shape.elementCount)
      let reference = try Self.sample(base, count, window)
      for (model, reader) in zip(draft.modelIndices, draft.models) {
        let values = try Self.sample(reader, count, window)
        var sum = sums[model] ?? (0, 0, 0)
        Kernels.addDot(reference.span, reference.span, to: &sum.base)
        Kernels.addDot(values.span, values.span, to: &sum.model)
        Kernels.addDot(reference.span, values.span, to: &sum.product)
        sums[model] = sum
      }
    }
    for model in sums.keys.sorted() {
      guard let sum = sums[model], sum.base > 0, sum.model > 0 else { continue }
      let cosine = sum.product / (sum.base * sum.model).squareRoot()
      let distance = max(0, sum.base + sum.model - 2 * sum.product)
      if cosine < 0.5 {
        notes.append(
          "\(models[model].name) does not look tuned from the base: the cosine of their weights is"
            + " \(Self.rounded(cosine)) in samples.")
      } else if distance == 0 {
        notes.append("\(models[model].name) equals the base in samples of its weights.")
      }
    }
  }

  private static func sample(_ reader: any TensorReader, _ count: Int, _ window: ReadWindow)
    throws(TinctureError) -> ContiguousArray<Float>
  {
    var values = ContiguousArray<Float>(repeating: 0, count: count)
    var span = values.mutableSpan
    _ = try reader.read(0..<count, into: &span, window: window)
    window.kept = [:]
    return values
  }

  private static func rounded(_ number: Double) -> String {
    String((number * 100).rounded() / 100)
  }
}
