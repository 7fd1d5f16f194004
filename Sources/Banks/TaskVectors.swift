internal import TinctureTensors

/// The task vectors of one tensor of some experts, made block by block.
struct TaskVectors {
  /// An expert whose tensor differs from the base's.
  struct Expert {
    let name: String
    let source: any WeightSource
  }

  let base: any WeightSource
  let experts: [Expert]
  /// How many experts the mean is over; those that are not listed equal the base.
  let total: Int

  /// τ = θ − θ₀ of an expert.
  func difference(_ expert: Expert, _ range: Range<Int>, _ output: inout MutableSpan<Float>)
    throws(TinctureError)
  {
    var values = ContiguousArray<Float>(repeating: 0, count: range.count)
    var span = values.mutableSpan
    try base.read(range, into: &span)
    try expert.source.read(range, into: &output)
    Kernels.subtract(span.span, from: &output)
  }

  /// θ less a reference that is given or, without one, the mean of the weights of all experts.
  func offset(
    _ expert: Expert, _ range: Range<Int>, _ output: inout MutableSpan<Float>,
    shared: ((Range<Int>, inout MutableSpan<Float>) throws(TinctureError) -> Void)?
  ) throws(TinctureError) {
    var reference = ContiguousArray<Float>(repeating: 0, count: range.count)
    var span = reference.mutableSpan
    if let shared {
      try shared(range, &span)
      try base.read(range, into: &output)
      Kernels.add(output.span, to: &span)
    } else {
      try mean(range, &span)
    }
    try expert.source.read(range, into: &output)
    Kernels.subtract(span.span, from: &output)
  }

  /// β = mean θ − θ₀.
  func meanDifference(_ range: Range<Int>, _ output: inout MutableSpan<Float>)
    throws(TinctureError)
  {
    try mean(range, &output)
    var values = ContiguousArray<Float>(repeating: 0, count: range.count)
    var span = values.mutableSpan
    try base.read(range, into: &span)
    Kernels.subtract(span.span, from: &output)
  }

  private func mean(_ range: Range<Int>, _ output: inout MutableSpan<Float>)
    throws(TinctureError)
  {
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

  /// ‖v‖² of a vector of the tensor's shape.
  func squaredSum(_ vector: VectorElements) throws(TinctureError) -> Double {
    var sum = 0.0
    try forEachBlock(of: base.shape.elementCount, length: 1 << 16, vector) {
      (span, _) throws(TinctureError) in
      Kernels.addDot(span, span, to: &sum)
    }
    return sum
  }
}
