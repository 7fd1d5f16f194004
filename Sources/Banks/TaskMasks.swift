public import SystemPackage
internal import TinctureCheckpoints
public import TinctureTensors

/// Makes the bank that lies beside a merged model and makes its single tasks out of it: masks over what the
/// merge added to the base.
///
/// The base of the bank is the merged model θ* itself. With what was added, τ = θ* − θ₀, the shared vector is −τ, and a task is
/// θ* + (−τ + λᵢ mᵢ τ) = θ₀ + λᵢ mᵢ τ. Masks and factors are those of the codecs `tall` and `emr`, over τ as the merged
/// model holds it. So a model and its bank need nothing else, wherever they go.
public struct TaskMasks: Sendable {
  /// The name of the file in a model's directory.
  public static let fileName = "tasks.bank"

  /// What a task has of a tensor.
  public enum Use: Sendable, Hashable {
    /// A mask over what the merged model added to the base.
    case mask
    /// A tensor of its own, in the type of the merged model's.
    case own
    /// The merged model's tensor.
    case merged
  }

  /// What the tasks have of a tensor.
  public struct Layout: Sendable, Hashable {
    /// By task, in their order; nil for masks of all.
    public var uses: [Use]?
    /// Tensors of one group have the same factor of `emr`; those of other groups have others.
    public var group: String

    /// Describes a tensor.
    public init(uses: [Use]? = nil, group: String = "") {
      self.uses = uses
      self.group = group
    }
  }

  /// A tensor of the models that were merged.
  public struct Tensor {
    /// The base's.
    public let base: any WeightSource
    /// Those of the tasks, in their order.
    public let tasks: [any WeightSource]
    /// What the tasks have of it.
    public let layout: Layout

    /// Puts the tensors of all models together.
    public init(base: any WeightSource, tasks: [any WeightSource], layout: Layout = Layout()) {
      self.base = base
      self.tasks = tasks
      self.layout = layout
    }
  }

  /// A task.
  public struct Task: Sendable {
    /// The name.
    public let name: String
    /// Where the model is, as it was written.
    public let location: String
    /// λ of its mask, for `tall`.
    public let threshold: Double

    /// Describes a task.
    public init(name: String, location: String, threshold: Double = 0) {
      self.name = name
      self.location = location
      self.threshold = threshold
    }
  }

  /// The codec, `tall` or `emr`, and what the factors of `emr` are ratios of.
  public var codec: BankCodec
  /// The tasks.
  public var tasks: [Task]
  /// How many tensors are encoded at once.
  public var workers: Int
  /// How many tensors may be encoded and not yet written; nil for twice as many as workers.
  public var ahead: Int?
  /// Throws when the user wants to stop.
  public var check: @Sendable () throws(TinctureError) -> Void

  /// Prepares to make a bank.
  public init(
    _ codec: BankCodec, tasks: [Task], workers: Int = 1,
    check: @escaping @Sendable () throws(TinctureError) -> Void = {}
  ) {
    precondition(codec.kind == .tall || codec.kind == .emr, "\(codec.kind) has no masks.")
    self.codec = codec
    self.tasks = tasks
    self.workers = workers
    self.check = check
  }

  /// The path of the bank of a model's directory, when there is one.
  public static func path(in directory: FilePath) -> FilePath? {
    let path = directory.appending(fileName)
    return FileKind(of: path) == .file ? path : nil
  }

  /// Makes the bank.
  ///
  /// - Parameters:
  ///   - output: The file.
  ///   - merged: The merged model.
  ///   - tensors: The names of the tensors that were merged; in the others tasks equal the merged model.
  ///   - tensor: The tensor of a name of all models; called by several workers.
  /// - Throws: What reading throws, `cannotCreate`, `io`.
  /// - Complexity: O(n) for each model, in one pass; memory for the bytes of the tensors that are `ahead`.
  public func create(
    _ output: FilePath, merged: any BankModel, tensors: [String],
    tensor: @escaping @Sendable (String) throws(TinctureError) -> Tensor?
  ) async throws(TinctureError) {
    var container = try BankContainer.create(output)
    var base: BankManifest.Base?
    var manifest = BankManifest(
      base: .init(location: BankManifest.Base.beside, digest: "", quickDigest: ""), experts: [])
    var sums: [String: [String: [(tensor: String, sums: MaskEncoder.Sums)]]] = [:]
    // The merged model is described by one of the workers, while others begin with its tensors.
    try await inOrder(tensors.count + 1, workers: max(1, workers), ahead: ahead) {
      (number) throws(TinctureError) -> Made? in
      try check()
      guard number > 0 else {
        return .base(
          try BankManifest.Base(of: merged) { (_) throws(TinctureError) in try check() })
      }
      let name = tensors[number - 1]
      do throws(TinctureError) {
        guard let tensor = try tensor(name), let whole = try merged.source(name) else { return nil }
        return .vectors(try encode(tensor, whole), group: tensor.layout.group)
      } catch { throw error.located(tensor: name) }
    } take: { (number, made) throws(TinctureError) in
      switch made {
      case .base(let found): base = found
      case .vectors(let vectors, let group):
        let name = tensors[number - 1]
        try add(vectors, name, to: &container, &manifest) { task, own in
          sums[group, default: [:]][task, default: []].append((name, own))
        }
      case nil: break
      }
    }
    if let base {
      manifest.base = base
      manifest.base.location = BankManifest.Base.beside
    }
    if codec.kind == .emr {
      for own in sums.values { BankBuilder.rescale(own, by: codec.rescaling, in: &manifest) }
    }
    manifest.experts = tasks.map { task in
      var own = codec
      own.maskThreshold = task.threshold
      return .init(name: task.name, source: task.location, codec: own)
    }
    _ = try container.finish(manifest)
  }

  /// What the workers make: the description of the merged model, and the vectors of a tensor.
  private enum Made: Sendable {
    case base(BankManifest.Base)
    case vectors(Vectors, group: String)
  }

  /// What is stored of a tensor.
  private struct Vectors: Sendable {
    var shared: EncodedVector?
    /// By task; nil where it has the merged model's tensor.
    var tasks: [EncodedVector?]
  }

  private func add(
    _ vectors: Vectors, _ name: String, to container: inout BankContainer,
    _ manifest: inout BankManifest, note: (String, MaskEncoder.Sums) -> Void
  ) throws(TinctureError) {
    // Where all tasks have the base's elements, they have the merged model's.
    let isChanged = vectors.shared.map { $0.squaredSum != 0 } ?? false
    if let shared = vectors.shared, isChanged {
      try container.add(shared, tensor: name, owner: .shared)
      manifest.records[name, default: [:]][.shared] = shared.record
    }
    for (task, vector) in zip(tasks, vectors.tasks) {
      guard let vector else { continue }
      if let own = vector.maskSums {
        note(task.name, own)
        guard isChanged else { continue }
      }
      try container.add(vector, tensor: name, owner: .expert(task.name))
      manifest.records[name, default: [:]][.expert(task.name)] = vector.record
    }
  }

  /// The shared vector of a tensor, the masks, and the tensors that tasks keep.
  private func encode(_ tensor: Tensor, _ merged: any WeightSource) throws(TinctureError) -> Vectors
  {
    let uses = tensor.layout.uses ?? tasks.map { _ in .mask }
    let masked = uses.indices.filter { uses[$0] == .mask }
    var result = Vectors(tasks: tasks.map { _ in nil })
    if !masked.isEmpty {
      let origin = Origin(tensor.base)
      let encoder = MaskEncoder(
        kind: codec.kind, thresholds: masked.map { Float(tasks[$0].threshold) },
        shape: merged.shape, stored: nil
      ) { (range, output) throws(TinctureError) in
        try merged.read(range, into: &output)
        try origin.subtract(range, from: &output)
      }
      let (shared, vectors) = try encoder.encode(masked.map { tensor.tasks[$0].dtype }) {
        (index, range, output) throws(TinctureError) in
        try tensor.tasks[masked[index]].read(range, into: &output)
        try origin.subtract(range, from: &output)
        // What is not finite was let through, or replaced by the base's element: no task's own.
        guard Kernels.largestMagnitude(output.span) >= FiniteElements.limit else { return }
        for position in 0..<output.count where !output[position].isFinite { output[position] = 0 }
      }
      result.shared = shared
      for (task, vector) in zip(masked, vectors) { result.tasks[task] = vector }
    }
    for task in uses.indices where uses[task] == .own {
      result.tasks[task] = try own(tensor.tasks[task], as: merged.dtype)
    }
    return result
  }

  /// A tensor as it is, in the type of the merged model.
  private func own(_ source: any WeightSource, as dtype: DType) throws(TinctureError)
    -> EncodedVector
  {
    let count = source.shape.elementCount
    let width = dtype.byteWidth ?? 4
    var bytes = [UInt8](repeating: 0, count: count * width)
    let length = 1 << 14
    var values = ContiguousArray<Float>(repeating: 0, count: min(length, max(1, count)))
    for start in stride(from: 0, to: count, by: length) {
      let range = start..<min(start + length, count)
      var all = values.mutableSpan
      var span = all._mutatingExtracting(0..<range.count)
      try source.read(range, into: &span)
      bytes.withUnsafeMutableBytes { bytes in
        Kernels.narrow(
          span.span, as: dtype,
          into: UnsafeMutableRawBufferPointer(
            rebasing: bytes[(start * width)..<(range.upperBound * width)]))
      }
    }
    return EncodedVector(
      record: VectorRecord(.elements, role: .weights, shape: source.shape, dtype: dtype),
      parts: [EncodedPart("elements", dtype, bytes)])
  }

  /// The base's elements, read once for all models that follow one another over a range.
  private final class Origin {
    private let source: any WeightSource
    private var values: ContiguousArray<Float> = []
    private var range = 0..<0

    init(_ source: any WeightSource) { self.source = source }

    func subtract(_ wanted: Range<Int>, from output: inout MutableSpan<Float>)
      throws(TinctureError)
    {
      // Taken out of the object for as long as there are spans of it.
      var own = values
      values = []
      if wanted != range {
        range = 0..<0
        if own.count < wanted.count { own = ContiguousArray(repeating: 0, count: wanted.count) }
        var all = own.mutableSpan
        var span = all._mutatingExtracting(0..<wanted.count)
        try source.read(wanted, into: &span)
        range = wanted
      }
      let base = own.span.extracting(0..<wanted.count)
      Kernels.subtract(base, from: &output)
      values = own
    }
  }
}
