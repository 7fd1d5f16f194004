internal import TinctureMerging
public import TinctureTensors

/// A base model and task vectors τ = expert − base, in memory, in single precision.
///
/// A model θ = θ₀ + Σ λ τ is put together tensor by tensor, and derivatives with respect to λ are inner
/// products with the derivative with respect to θ, so that no derivative of a task vector is ever made.
public struct TaskVectorSet: Sendable {
  /// A tensor's name and extents.
  public struct Tensor: Sendable, Hashable {
    /// The name in the base.
    public let name: String
    /// The extents.
    public let extents: [Int]
    /// How many elements it has.
    public let elementCount: Int
  }

  /// The tensors, in the order of the rows of coefficients.
  public let tensors: [Tensor]
  /// How many task vectors there are.
  public let taskCount: Int
  private let base: [ContiguousArray<Float>]
  private let vectors: [[ContiguousArray<Float>]]

  /// Creates a set from values.
  ///
  /// - Parameter tensors: Names, extents, elements of the base, and elements of each expert.
  /// - Throws: `checkpoint` that names a tensor whose experts differ in size or are not finite.
  public init(
    _ tensors: [(name: String, extents: [Int], base: [Float], experts: [[Float]])]
  ) throws(TinctureError) {
    var described: [Tensor] = []
    var base: [ContiguousArray<Float>] = []
    var vectors: [[ContiguousArray<Float>]] = []
    for tensor in tensors {
      described.append(
        Tensor(name: tensor.name, extents: tensor.extents, elementCount: tensor.base.count))
      var own: [ContiguousArray<Float>] = []
      for (number, expert) in tensor.experts.enumerated() {
        guard expert.count == tensor.base.count else {
          throw TinctureError(
            .checkpoint,
            "Expert \(number) has \(expert.count) elements where the base has \(tensor.base.count).",
            at: .init(tensor: tensor.name))
        }
        var vector = ContiguousArray(expert)
        var span = vector.mutableSpan
        Kernels.subtract(tensor.base.span, from: &span)
        guard Kernels.largestMagnitude(span.span) < Float.infinity.bitPattern else {
          throw TinctureError(
            .checkpoint, "Expert \(number) or the base has an element that is not finite.",
            at: .init(tensor: tensor.name))
        }
        own.append(vector)
      }
      base.append(ContiguousArray(tensor.base))
      vectors.append(own)
    }
    self.tensors = described
    self.base = base
    self.vectors = vectors
    taskCount = vectors.first?.count ?? 0
  }

  /// The elements of θ₀ + Σ λ τ of one tensor.
  ///
  /// - Parameters:
  ///   - index: The tensor.
  ///   - coefficients: λ, one for each task.
  /// - Returns: The elements in row-major order.
  /// - Complexity: O(T n).
  public func merged(_ index: Int, _ coefficients: [Float]) -> ContiguousArray<Float> {
    var result = base[index]
    var span = result.mutableSpan
    for (task, coefficient) in coefficients.enumerated() where coefficient != 0 {
      let vector = vectors[index][task]
      Kernels.add(vector.span, times: coefficient, to: &span)
    }
    return result
  }

  /// ⟨g, τ⟩ of one tensor for each task.
  ///
  /// - Complexity: O(T n).
  public func products(_ index: Int, _ g: Span<Float>) -> [Double] {
    var products = [Double](repeating: 0, count: taskCount)
    for task in 0..<taskCount {
      let vector = vectors[index][task]
      Kernels.addDot(g, vector.span, to: &products[task])
    }
    return products
  }
}
