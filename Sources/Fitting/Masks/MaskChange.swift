package import TinctureMerging
internal import TinctureTensors

/// Multiplies all task vectors by a common mask.
package struct MaskChange: TaskVectorChange {
  private let masks: [String: FloatMemory]

  /// Takes masks in the order of tensors; other tensors stay as they are.
  package init(_ masks: [FloatMemory], of tensors: [TaskVectorSet.Tensor]) {
    self.masks = Dictionary(
      zip(tensors.map(\.name), masks), uniquingKeysWith: { first, _ in first })
  }

  /// Multiplies.
  package func apply(
    to block: inout ElementBlock, _ scratch: inout MutableSpan<Float>, of tensor: String
  ) {
    guard let mask = masks[tensor] else { return }
    let range = block.start..<block.start + block.count
    for model in 0..<block.modelCount {
      block.change(model: model) { x in
        mask.withSpan(range) { factors in
          for place in 0..<x.count { x[place] *= factors[place] }
        }
      }
    }
  }
}
