public import TinctureMerging
public import TinctureTensors

/// A base model and task vectors τ = expert − base.
///
/// A model θ = θ₀ + Σ λ τ is put together tensor by tensor, and derivatives with respect to λ are inner
/// products with the derivative with respect to θ, so that no derivative of a task vector is ever made. The
/// base is kept in memory in single precision; task vectors are, too, or the experts' elements where these are
/// stored in 16 bits, when all of them fit into the memory limit, else they are read block by block from
/// checkpoints and banks whenever they are needed.
public struct TaskVectorSet: Sendable {
  /// A tensor's name and extents.
  public struct Tensor: Sendable, Hashable {
    /// The name in the output.
    public let name: String
    /// The extents.
    public let extents: [Int]
    /// How many elements it has.
    public let elementCount: Int
    /// The layer that the tensor belongs to, where it belongs to one.
    public let layer: Int?
  }

  /// The tensors, in the order of the rows of coefficients.
  public let tensors: [Tensor]
  /// How many task vectors there are.
  public let taskCount: Int
  /// Whether task vectors are kept in memory.
  public let isResident: Bool
  /// How many tensors are worked on at a time; results do not depend on it.
  public var workers = 1
  let base: [FloatMemory]
  let vectors: [[TaskVectorSource]]
  let change: (any TaskVectorChange)?
  let nonFinite: MergeOptions.NonFinite

  /// Elements of a block.
  static let blockLength = 1 << 14

  /// Opens the base and the experts of the steps of a merge.
  ///
  /// - Parameters:
  ///   - steps: Steps for whole tensors, each with a base and the experts in the order of the tasks.
  ///   - memoryLimit: Bytes that the base and all task vectors may take to be kept in memory.
  ///   - nonFinite: What to do about NaN and infinity in experts.
  ///   - workers: How many tensors are read at a time.
  ///   - change: What is done to task vectors first.
  /// - Throws: `checkpoint` when the base or an expert has an element that is not finite, `io` when reading
  ///   fails.
  /// - Complexity: 4 bytes for each element of the base, and 4 T, or 2 T, when they fit.
  public init(
    _ steps: [MergeStep], memoryLimit: Int, nonFinite: MergeOptions.NonFinite = .error,
    workers: Int = 1, change: (any TaskVectorChange)? = nil
  ) throws(TinctureError) {
    let tensors = steps.map {
      Tensor(
        name: $0.name, extents: $0.shape.extents, elementCount: $0.shape.elementCount,
        layer: $0.layer)
    }
    let taskCount = steps.first?.models.count ?? 0
    var base: [FloatMemory] = []
    let window = ReadWindow(byteCount: 1 << 20)
    for step in steps {
      guard let reader = step.base else {
        throw TinctureError(
          .internalError, "A step without a base cannot be learned.", at: .init(tensor: step.name))
      }
      base.append(
        try FloatMemory(count: step.shape.elementCount) { (span) throws(TinctureError) in
          let largest = try reader.read(0..<span.count, into: &span, window: window)
          guard largest < Float.infinity.bitPattern else {
            throw TinctureError(
              .checkpoint, "The base has an element that is not finite.", at: reader.place)
          }
        })
    }
    let readers = steps.map { $0.models.map(TaskVectorSource.reader) }
    let streamed = TaskVectorSet(
      tensors: tensors, taskCount: taskCount, base: base, vectors: readers, change: change,
      nonFinite: nonFinite, workers: workers)
    let fits = Self.residentBytes(steps, isChanged: change != nil) <= memoryLimit
    self = fits ? try TaskVectorSet(loading: streamed) : streamed
  }

  init(
    tensors: [Tensor], taskCount: Int, base: [FloatMemory], vectors: [[TaskVectorSource]],
    change: (any TaskVectorChange)?, nonFinite: MergeOptions.NonFinite, workers: Int,
    isResident: Bool = false
  ) {
    (self.tensors, self.taskCount, self.base, self.vectors) = (tensors, taskCount, base, vectors)
    (self.change, self.nonFinite, self.workers) = (change, nonFinite, workers)
    self.isResident = isResident
  }

  /// Creates a set from values.
  ///
  /// - Parameters:
  ///   - tensors: Names, extents, elements of the base, and elements of each task vector.
  ///   - layers: The layer of each tensor; nil for none.
  public init(
    _ tensors: [(name: String, extents: [Int], base: [Float], vectors: [[Float]])],
    layers: [Int?]? = nil
  ) {
    func memory(_ values: [Float]) -> FloatMemory {
      FloatMemory(count: values.count) { span in Kernels.copy(values.span, to: &span) }
    }
    for tensor in tensors {
      precondition(
        tensor.vectors.allSatisfy { $0.count == tensor.base.count },
        "A task vector has as many elements as the base.")
    }
    self.tensors = tensors.enumerated().map { index, tensor in
      Tensor(
        name: tensor.name, extents: tensor.extents, elementCount: tensor.base.count,
        layer: layers?[index])
    }
    taskCount = tensors.first?.vectors.count ?? 0
    base = tensors.map { memory($0.base) }
    vectors = tensors.map { $0.vectors.map { .memory(memory($0)) } }
    (isResident, change, nonFinite) = (true, nil, .error)
  }

  /// Visits the elements of the task vectors of a tensor, block after block and task after task.
  ///
  /// - Parameters:
  ///   - index: The tensor.
  ///   - tasks: Which task vectors are needed; nil for all.
  ///   - body: Gets the position of the first element, the task, and the elements.
  /// - Throws: What `body` throws, `io` when reading fails, `checkpoint` for an element that is not finite.
  func forEachBlock(
    _ index: Int, tasks: [Int]? = nil,
    _ body: (Int, Int, Span<Float>) throws(TinctureError) -> Void
  ) throws(TinctureError) {
    let count = tensors[index].elementCount
    let wanted = tasks ?? Array(0..<taskCount)
    // A change sees all task vectors, whichever are asked for.
    let needed = change == nil ? wanted : Array(0..<taskCount)
    var memory: BlockMemory?
    for start in stride(from: 0, to: count, by: Self.blockLength) {
      let range = start..<min(start + Self.blockLength, count)
      for task in needed {
        if change == nil, case .memory(let vector) = vectors[index][task] {
          try vector.withSpan(range) { (span) throws(TinctureError) in
            try body(start, task, span)
          }
          continue
        }
        let own = memory ?? BlockMemory(taskCount: taskCount, capacity: Self.blockLength)
        memory = own
        var span = MutableSpan<Float>(_unsafeStart: own.vectors[task], count: range.count)
        try read(vectors[index][task], index, range, into: &span, own.windows[task])
        if change == nil { try body(start, task, span.span) }
      }
      guard let change, let memory else { continue }
      var block = ElementBlock(
        start: start, count: range.count, rowLength: range.count, base: nil,
        models: Array(memory.vectors.prefix(taskCount)))
      var scratch = MutableSpan<Float>(
        _unsafeStart: memory.vectors[taskCount], count: range.count)
      change.apply(to: &block, &scratch, of: tensors[index].name)
      for task in wanted { try body(start, task, block[model: task]) }
    }
  }

  /// Visits the task vectors of a tensor in the form in which they are kept, in the order of
  /// ``forEachBlock(_:tasks:_:)``.
  func forEachKeptBlock(
    _ index: Int, tasks: [Int]? = nil,
    _ body: (Int, TaskVectorBlock) throws(TinctureError) -> Void
  ) throws(TinctureError) {
    let wanted = tasks ?? Array(0..<taskCount)
    let experts = wanted.compactMap { task in
      if case .stored(let elements) = vectors[index][task] { (task, elements) } else { nil }
    }
    guard experts.count == wanted.count else {
      return try forEachBlock(index, tasks: wanted) { (start, task, span) throws(TinctureError) in
        try body(task, TaskVectorBlock(span, at: start..<start + span.count))
      }
    }
    for start in stride(from: 0, to: tensors[index].elementCount, by: Self.blockLength) {
      let range = start..<min(start + Self.blockLength, tensors[index].elementCount)
      try base[index].withSpan(range) { (own) throws(TinctureError) in
        for (task, elements) in experts {
          try body(task, TaskVectorBlock(elements, from: own, at: range))
        }
      }
    }
  }

  private func read(
    _ source: TaskVectorSource, _ index: Int, _ range: Range<Int>,
    into span: inout MutableSpan<Float>, _ window: ReadWindow
  ) throws(TinctureError) {
    switch source {
    case .memory(let vector): vector.withSpan(range) { Kernels.copy($0, to: &span) }
    case .stored(let elements):
      base[index].withSpan(range) { own in
        _ = elements.differences(range, from: own, into: &span)
      }
    case .reader(let reader): try read(reader, index, range, into: &span, window)
    }
  }

  private func read(
    _ reader: any TensorReader, _ index: Int, _ range: Range<Int>,
    into span: inout MutableSpan<Float>, _ window: ReadWindow
  ) throws(TinctureError) {
    var largest: UInt32 = 0
    try base[index].withSpan(range) { (own) throws(TinctureError) in
      largest = try reader.readDifference(range, from: own, into: &span, window: window)
    }
    guard largest >= Float.infinity.bitPattern else { return }
    guard nonFinite != .error else {
      let place = (0..<span.count).first { !span[$0].isFinite } ?? 0
      throw TinctureError(
        .checkpoint,
        "Element \(range.lowerBound + place) is not finite; a merge would spread it. Repair the"
          + " checkpoint, or choose --non-finite base.", at: reader.place)
    }
    for position in 0..<span.count where !span[position].isFinite { span[position] = 0 }
  }
}
