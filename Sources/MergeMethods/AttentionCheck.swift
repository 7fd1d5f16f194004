public import TinctureMerging
internal import TinctureTensors

/// Looks for models whose attention was locked against merging.
///
/// A fine-tuned model lies near its base everywhere. One that is locked (`merge_lock`) lies near it in all weights
/// but those of attention. A few thousand elements of a few tensors tell them apart.
public enum AttentionCheck {
  private static let sampleLength = 4096
  private static let tensorCount = 4

  /// Remarks about models whose attention is unlike that of the base, or of the first model without one.
  ///
  /// - Parameter plan: A plan.
  /// - Returns: A sentence for each of them; none where nothing can be read.
  /// - Complexity: O(1) in the size of the models.
  public static func remarks(on plan: MergePlan) -> [String] {
    var attention: [MergeStep] = []
    var others: [MergeStep] = []
    for step in plan.steps {
      guard case .merge = step.action, step.shape.rank == 2, step.elements.lowerBound == 0,
        step.models.count + (step.base == nil ? 0 : 1) > 1
      else { continue }
      guard let part = AttentionPart(step.name) else {
        // Tables of the vocabulary change least of all, and say little.
        if step.layer != nil { others.append(step) }
        continue
      }
      let isTelling = part.role == .value || part.role == .output || part.role == .fused
      if isTelling, !part.isBias { attention.append(step) }
    }
    guard !attention.isEmpty, !others.isEmpty else { return [] }
    let changed = likeness(Array(attention.prefix(tensorCount)))
    let kept = likeness(Array(others.prefix(tensorCount)))
    return changed.keys.sorted().compactMap { name in
      guard let low = changed[name], low < 0.5, let high = kept[name], high > 0.9 else {
        return nil
      }
      return
        "the attention of \(name) is unlike that of the model it is compared with, though other layers are"
        + " alike; one of both may be locked against merging (tincture protect), and then the result is noise"
    }
  }

  /// The median cosine between each model and the one it is compared with, over some tensors.
  private static func likeness(_ steps: [MergeStep]) -> [String: Double] {
    var cosines: [String: [Double]] = [:]
    for step in steps {
      let readers = (step.base.map { [$0] } ?? []) + step.models
      guard let first = readers.first, let reference = sample(first, step) else { continue }
      for reader in readers.dropFirst() {
        guard let name = reader.place.model, let values = sample(reader, step) else { continue }
        var (product, own, other) = (0.0, 0.0, 0.0)
        for (x, y) in zip(values, reference) {
          product += Double(x) * Double(y)
          own += Double(x) * Double(x)
          other += Double(y) * Double(y)
        }
        guard own > 0, other > 0 else { continue }
        cosines[name, default: []].append(product / (own * other).squareRoot())
      }
    }
    return cosines.mapValues { values in values.sorted()[values.count / 2] }
  }

  /// Elements from the middle of a tensor.
  private static func sample(_ reader: any TensorReader, _ step: MergeStep) -> [Float]? {
    let all = min(reader.shape.elementCount, step.shape.elementCount)
    let count = min(all, sampleLength)
    let start = (all - count) / 2
    var values = [Float](repeating: 0, count: count)
    var span = values.mutableSpan
    let window = ReadWindow(byteCount: 1 << 16)
    let largest = try? reader.read(start..<start + count, into: &span, window: window)
    return largest.map { $0 < 0x7f80_0000 } == true ? values : nil
  }
}
