internal import TinctureTensors

/// A task vector at some neighbouring positions of a tensor, in the form in which it is kept.
struct TaskVectorBlock: ~Escapable {
  /// The positions.
  let range: Range<Int>
  /// The task vector's elements; the base's where the expert's are kept.
  private let span: Span<Float>
  private let expert: StoredElements?

  /// Names the elements of a task vector.
  @_lifetime(copy elements)
  init(_ elements: Span<Float>, at range: Range<Int>) {
    (self.range, span, expert) = (range, elements, nil)
  }

  /// Names the stored elements of an expert and those of the base at the same positions.
  @_lifetime(copy base)
  init(_ expert: StoredElements, from base: Span<Float>, at range: Range<Int>) {
    (self.range, span, self.expert) = (range, base, expert)
  }

  /// y += a τ at some of the positions.
  ///
  /// - Parameters:
  ///   - piece: The positions in the tensor.
  ///   - a: The coefficient.
  ///   - y: As many elements as the piece has positions.
  func add(_ piece: Range<Int>, times a: Float, to y: inout MutableSpan<Float>) {
    let own = span.extracting(local(piece))
    guard let expert else { return Kernels.add(own, times: a, to: &y) }
    expert.addDifferences(piece, from: own, times: a, to: &y)
  }

  /// sum += ⟨g, τ⟩ over some of the positions.
  ///
  /// - Parameters:
  ///   - piece: The positions in the tensor.
  ///   - g: As many elements as the piece has positions.
  ///   - sum: What is added to.
  func addDot(_ piece: Range<Int>, _ g: Span<Float>, to sum: inout Double) {
    let own = span.extracting(local(piece))
    guard let expert else { return Kernels.addDot(g, own, to: &sum) }
    expert.addDot(piece, from: own, g, to: &sum)
  }

  private func local(_ piece: Range<Int>) -> Range<Int> {
    piece.lowerBound - range.lowerBound..<piece.upperBound - range.lowerBound
  }
}
