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

  /// A tensor of the models that were merged.
  public struct Tensor {
    /// The base's.
    public let base: any WeightSource
    /// Those of the tasks, in their order.
    public let tasks: [any WeightSource]

    /// Puts the tensors of all models together.
    public init(base: any WeightSource, tasks: [any WeightSource]) {
      self.base = base
      self.tasks = tasks
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
  /// - Complexity: O(n) for each model, in one pass; memory for the bytes of a tensor per worker.
  public func create(
    _ output: FilePath, merged: any BankModel, tensors: [String],
    tensor: @escaping @Sendable (String) throws(TinctureError) -> Tensor?
  ) async throws(TinctureError) {
    var container = try BankContainer.create(output)
    var base = try BankManifest.Base(of: merged) { (_) throws(TinctureError) in try check() }
    base.location = BankManifest.Base.beside
    var manifest = BankManifest(base: base, experts: [])
    var sums: [String: [(tensor: String, sums: MaskEncoder.Sums)]] = [:]
    try await inOrder(tensors.count, workers: max(1, workers)) { (number) throws(TinctureError) in
      try check()
      let name = tensors[number]
      do throws(TinctureError) {
        guard let tensor = try tensor(name), let whole = try merged.source(name) else { return nil }
        return try encode(tensor, whole)
      } catch { throw error.located(tensor: name) }
    } take: {
      (number, vectors: (shared: EncodedVector, tasks: [EncodedVector])?) throws(TinctureError) in
      let name = tensors[number]
      guard let vectors else { return }
      // Where all tasks have the base's elements, they have the merged model's.
      let isChanged = vectors.shared.squaredSum != 0
      if isChanged {
        try container.add(vectors.shared, tensor: name, owner: .shared)
        manifest.records[name, default: [:]][.shared] = vectors.shared.record
      }
      for (task, vector) in zip(tasks, vectors.tasks) {
        if let own = vector.maskSums { sums[task.name, default: []].append((name, own)) }
        guard isChanged else { continue }
        try container.add(vector, tensor: name, owner: .expert(task.name))
        manifest.records[name, default: [:]][.expert(task.name)] = vector.record
      }
    }
    if codec.kind == .emr { BankBuilder.rescale(sums, by: codec.rescaling, in: &manifest) }
    manifest.experts = tasks.map { task in
      var own = codec
      own.maskThreshold = task.threshold
      return .init(name: task.name, source: task.location, codec: own)
    }
    _ = try container.finish(manifest)
  }

  /// The shared vector of a tensor, and the masks.
  private func encode(_ tensor: Tensor, _ merged: any WeightSource) throws(TinctureError)
    -> (shared: EncodedVector, tasks: [EncodedVector])?
  {
    func difference(
      _ source: any WeightSource, _ range: Range<Int>, _ output: inout MutableSpan<Float>
    ) throws(TinctureError) {
      var values = ContiguousArray<Float>(repeating: 0, count: range.count)
      var span = values.mutableSpan
      try tensor.base.read(range, into: &span)
      try source.read(range, into: &output)
      Kernels.subtract(span.span, from: &output)
    }
    let encoder = MaskEncoder(
      kind: codec.kind, thresholds: tasks.map { Float($0.threshold) }, shape: merged.shape,
      stored: nil
    ) { (range, output) throws(TinctureError) in
      try difference(merged, range, &output)
    }
    let (shared, vectors) = try encoder.encode(tensor.tasks.map(\.dtype)) {
      (index, range, output) throws(TinctureError) in
      try difference(tensor.tasks[index], range, &output)
      // What is not finite was let through, or replaced by the base's element: no task's own.
      for position in 0..<output.count where !output[position].isFinite { output[position] = 0 }
    }
    return shared.map { ($0, vectors) }
  }
}
