/// The elements of all inputs at the same positions, widened to `Float`.
///
/// The models' elements may be changed in place; the base's may not.
public struct ElementBlock: ~Copyable {
  /// The position of the first element in the tensor.
  public let start: Int
  /// The number of elements.
  public let count: Int
  /// The length of the tensor's rows.
  public let rowLength: Int
  let basePointer: UnsafeMutablePointer<Float>?
  /// The elements of the base even where it is not shown.
  var origin: UnsafeMutablePointer<Float>?
  private let modelPointers: [UnsafeMutablePointer<Float>]
  private let models: [UnsafePointer<Float>?]

  package init(
    start: Int, count: Int, rowLength: Int, base: UnsafeMutablePointer<Float>?,
    models: [UnsafeMutablePointer<Float>]
  ) {
    self.start = start
    self.count = count
    self.rowLength = rowLength
    basePointer = base
    origin = base
    modelPointers = models
    self.models = models.map { UnsafePointer($0) }
  }

  /// The number of models, the base not counted.
  public var modelCount: Int { modelPointers.count }

  /// The base's elements.
  public var base: Span<Float> {
    @_lifetime(borrow self) get {
      guard let basePointer else { preconditionFailure("This step has no base model.") }
      let span = Span<Float>(_unsafeStart: basePointer, count: count)
      return _overrideLifetime(span, borrowing: self)
    }
  }

  /// The elements of the base even where it is not shown.
  var originElements: Span<Float> {
    @_lifetime(borrow self) get {
      guard let origin else { preconditionFailure("This step has no base model.") }
      let span = Span<Float>(_unsafeStart: origin, count: count)
      return _overrideLifetime(span, borrowing: self)
    }
  }

  /// The elements of any input: the base, where there is one, is the first.
  public subscript(input index: Int) -> Span<Float> {
    @_lifetime(borrow self) get {
      let pointers = (basePointer.map { [$0] } ?? []) + modelPointers
      let span = Span<Float>(_unsafeStart: pointers[index], count: count)
      return _overrideLifetime(span, borrowing: self)
    }
  }

  /// A model's elements or its task vector's.
  public subscript(model index: Int) -> Span<Float> {
    @_lifetime(borrow self) get {
      let span = Span<Float>(_unsafeStart: modelPointers[index], count: count)
      return _overrideLifetime(span, borrowing: self)
    }
  }

  /// Changes a model's elements in place.
  public mutating func change(model index: Int, _ body: (inout MutableSpan<Float>) -> Void) {
    var span = MutableSpan<Float>(_unsafeStart: modelPointers[index], count: count)
    body(&span)
  }

  /// The models' elements, for kernels that go over all of them.
  func withModels(_ body: (UnsafeBufferPointer<UnsafePointer<Float>?>) -> Void) {
    models.withUnsafeBufferPointer(body)
  }
}
