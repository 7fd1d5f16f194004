public import SystemPackage
internal import TinctureCheckpoints
internal import TinctureSafetensors
public import TinctureTensors

/// Makes and changes banks.
public struct BankBuilder: Sendable {
  /// What happens while a bank is made.
  public enum Event: Sendable {
    /// Work begins on so many bytes: those of the base, of the experts as often as they are gone through,
    /// and of what a bank holds already.
    case started(bytes: Int)
    /// More of them are behind.
    case passed(bytes: Int)
  }

  /// How experts are stored.
  public var codec: BankCodec
  /// What a bank that is made may take; its codec's widths are then chosen.
  public var budget: BitBudget?
  /// How many tensors are encoded at once.
  public var workers: Int
  /// Throws when the user wants to stop.
  public var check: @Sendable () throws(TinctureError) -> Void
  /// Hears of progress.
  public var observer: (@Sendable (Event) -> Void)?

  /// Prepares to build.
  public init(
    codec: BankCodec, budget: BitBudget? = nil, workers: Int = 1,
    check: @escaping @Sendable () throws(TinctureError) -> Void = {},
    observer: (@Sendable (Event) -> Void)? = nil
  ) {
    self.codec = codec
    self.budget = budget
    self.workers = workers
    self.check = check
    self.observer = observer
  }

  /// Makes a bank.
  ///
  /// - Parameters:
  ///   - output: The file.
  ///   - base: The base.
  ///   - experts: The experts by name.
  ///   - replaces: Whether a file that exists is replaced.
  /// - Returns: The size of the file in bytes.
  /// - Throws: `usage` for names that are taken or unusable or a budget that is too small, `cannotCreate` when the output exists,
  ///   `checkpoint` for inputs that cannot be stored, `io`.
  /// - Complexity: A few passes over all models; memory for the codes of a tensor per worker.
  public func create(
    _ output: FilePath, base: any BankModel, experts: [(name: String, model: any BankModel)],
    replaces: Bool = false
  ) async throws(TinctureError) -> Int {
    try Self.checkOutput(output, replaces: replaces, holding: [base] + experts.map(\.model))
    try Self.checkNames(experts.map(\.name))
    var container = try BankContainer.create(output)
    let work = try Self.byteCount(of: experts.map(\.model))
    observer?(.started(bytes: try Self.byteCount(of: [base]) + (budget == nil ? 1 : 2) * work))
    let identity = try BankManifest.Base(of: base) { (bytes) throws(TinctureError) in
      try check()
      observer?(.passed(bytes: bytes))
    }
    var manifest = BankManifest(base: identity, experts: [])
    var builder = self
    if builder.codec.kind == .svd, builder.codec.rank == nil {
      builder.codec.rank = .share(1 / Double(max(1, experts.count)))
    }
    let widths = try await builder.allocate(experts, base: base, manifest)
    try await builder.store(
      experts, base: base, into: &container, &manifest, shared: nil, widths: widths)
    return try container.finish(manifest)
  }

  /// Adds experts to a bank; the parts of the others stay as they are.
  ///
  /// With a shared vector, new experts are stored as what it leaves.
  ///
  /// - Parameters:
  ///   - path: The bank.
  ///   - base: Its base.
  ///   - experts: The new experts by name.
  /// - Returns: The size of the file in bytes.
  /// - Throws: As `create`, and `checkpoint` when the base is another one.
  public func add(
    to path: FilePath, base: any BankModel, experts: [(name: String, model: any BankModel)]
  ) async throws(TinctureError) -> Int {
    let bank = try ExpertBank(opening: path)
    try checkFree(bank)
    try bank.requireBase(base)
    try Self.checkNames(bank.manifest.experts.map(\.name) + experts.map(\.name))
    try checkShared(bank)
    var container = try BankContainer.create(path)
    var manifest = bank.manifest
    Self.keepAll(of: bank, into: &container)
    let work = try Self.byteCount(of: experts.map(\.model))
    observer?(.started(bytes: work + container.keptBytes))
    try await store(experts, base: base, into: &container, &manifest, shared: bank)
    return try container.finish(manifest) { (bytes) throws(TinctureError) in
      try check()
      observer?(.passed(bytes: bytes))
    }
  }

  /// Removes an expert from a bank; the parts of the others stay as they are.
  ///
  /// - Parameters:
  ///   - expert: The name.
  ///   - path: The bank.
  /// - Returns: The size of the file in bytes.
  /// - Throws: `missingInput` when there is no such expert, `io`.
  public static func remove(_ expert: String, from path: FilePath) throws(TinctureError) -> Int {
    let bank = try ExpertBank(opening: path)
    try bank.require(expert)
    var container = try BankContainer.create(path)
    var manifest = bank.manifest
    manifest.experts.removeAll { $0.name == expert }
    for tensor in manifest.records.keys {
      manifest.records[tensor]?[.expert(expert)] = nil
      // A shared vector that nobody refers to any more still serves experts that come later.
      if manifest.records[tensor]?.isEmpty ?? false { manifest.records[tensor] = nil }
    }
    keepAll(of: bank, into: &container, except: expert)
    return try container.finish(manifest)
  }

  private static func keepAll(
    of bank: ExpertBank, into container: inout BankContainer, except expert: String? = nil
  ) {
    for tensor in bank.manifest.records.keys.sorted() {
      let owners = bank.manifest.records[tensor] ?? [:]
      for owner in owners.keys.sorted() where owner != expert.map({ .expert($0) }) {
        if let record = owners[owner] {
          container.keep(record, tensor: tensor, owner: owner, of: bank)
        }
      }
    }
  }

  /// Refuses outputs that are directories, that exist, or whose replacing would remove an input.
  private static func checkOutput(
    _ output: FilePath, replaces: Bool, holding models: [any BankModel]
  ) throws(TinctureError) {
    guard FileKind(of: output) != .directory else {
      throw TinctureError(
        .cannotCreate, "A bank is a file, and this is a directory. Name a file in it.",
        at: .init(file: output.string))
    }
    try CheckpointWriter.checkVacant(output, policy: .init(replace: replaces))
    guard let existing = FileIdentity(of: output) else { return }
    for path in models.flatMap(\.files) where existing.holds(path) {
      throw TinctureError(
        .cannotCreate,
        "The output is an input, which replacing it would remove. Choose another name.",
        at: .init(file: output.string))
    }
  }

  /// Refuses banks that belong to a merged model.
  private func checkFree(_ bank: ExpertBank) throws(TinctureError) {
    guard bank.manifest.base.location == BankManifest.Base.beside else { return }
    throw TinctureError(
      .usage,
      "This bank makes single tasks out of the merged model beside it, so that nothing can be added."
        + " Merge all models anew, or make a bank of the experts.",
      at: .init(file: bank.file.path.string))
  }

  /// Refuses codecs that lean on a shared vector which the bank does not have.
  private func checkShared(_ bank: ExpertBank) throws(TinctureError) {
    guard codec.hasShared else { return }
    let kinds = bank.manifest.experts.map(\.codec.kind)
    let isThere = bank.manifest.records.values.contains { $0[.shared] != nil }
    guard !isThere || !kinds.isEmpty && !kinds.contains(codec.kind) else { return }
    throw TinctureError(
      .usage,
      "Codec \(codec.kind.rawValue) stores experts beside a shared vector of its own, and this bank has"
        + " none; its experts are stored as \(kinds.first?.rawValue ?? "nothing"). Choose a codec"
        + " without a shared vector, such as tvq, or make a new bank of all experts.",
      at: .init(file: bank.file.path.string))
  }

  private static func checkNames(_ names: [String]) throws(TinctureError) {
    var seen: Set<String> = []
    for name in names {
      guard BankManifest.isValidName(name) else {
        throw TinctureError(
          .usage,
          "\"\(name)\" cannot name an expert; use letters and digits, and '.', '_', '-' inside.")
      }
      guard seen.insert(name).inserted else {
        throw TinctureError(.usage, "There would be two experts named \"\(name)\".")
      }
    }
  }

  private func store(
    _ experts: [(name: String, model: any BankModel)], base: any BankModel,
    into container: inout BankContainer, _ manifest: inout BankManifest, shared: ExpertBank?,
    widths: [String: TensorWidths] = [:]
  ) async throws(TinctureError) {
    let names = Self.names(experts, base)
    var sums: [String: [(tensor: String, sums: MaskEncoder.Sums)]] = [:]
    let codec = codec
    try await inOrder(names.count, workers: max(1, workers)) { (number) throws(TinctureError) in
      let name = names[number]
      return try Self.encoding(name, codec, widths[name], experts, base, shared) {
        (encoder, sources) throws(TinctureError) in
        try encoder.encode(sources, makesShared: shared == nil)
      }
    } take: { (number, outputs) throws(TinctureError) in
      try check()
      let name = names[number]
      for (owner, vector) in outputs {
        try container.add(vector, tensor: name, owner: owner)
        manifest.records[name, default: [:]][owner] = vector.record
        if case .expert(let expert) = owner, let own = vector.maskSums {
          sums[expert, default: []].append((name, own))
        }
      }
      observer?(.passed(bytes: try Self.byteCount(of: name, in: experts.map(\.model))))
    }
    if codec.kind == .emr { Self.rescale(sums, by: codec.rescaling, in: &manifest) }
    for (name, model) in experts {
      manifest.experts.append(
        .init(name: name, source: model.location, codec: codec))
    }
  }

  /// Gives every expert the factor that makes up for what its masks change, over all its tensors.
  static func rescale(
    _ sums: [String: [(tensor: String, sums: MaskEncoder.Sums)]],
    by rescaling: BankCodec.Rescaling, in manifest: inout BankManifest
  ) {
    for (expert, items) in sums {
      let factor = MaskEncoder.Sums.factor(
        items.map { item in
          let elements = manifest.records[item.tensor]?[.expert(expert)]?.shape.elementCount
          return (item.sums, rescaling == .means ? 1 : Double(elements ?? 0))
        })
      for (tensor, own) in items {
        guard let record = manifest.records[tensor]?[.expert(expert)] else { continue }
        let scale = record.role == .offset ? -factor : factor
        var scaled = VectorRecord(
          .mask(scale: scale), role: record.role, shape: record.shape, dtype: record.dtype)
        scaled.squaredNorm = record.squaredNorm
        scaled.squaredError = own.squaredError(factor: factor)
        manifest.records[tensor]?[.expert(expert)] = scaled
      }
    }
  }

  /// The names of all tensors: those of the base, then those that only experts have.
  static func names(_ experts: [(name: String, model: any BankModel)], _ base: any BankModel)
    -> [String]
  {
    var names = base.names
    var known = Set(names)
    for (_, model) in experts {
      for name in model.names where known.insert(name).inserted { names.append(name) }
    }
    return names
  }

  /// Prepares to encode a tensor.
  static func encoding<Result>(
    _ name: String, _ codec: BankCodec, _ widths: TensorWidths?,
    _ experts: [(name: String, model: any BankModel)], _ base: any BankModel,
    _ shared: ExpertBank?,
    _ body: (TensorEncoder, [(name: String, source: (any WeightSource)?)]) throws(TinctureError)
      -> Result
  ) throws(TinctureError) -> Result {
    do throws(TinctureError) {
      let encoder = TensorEncoder(
        codec: codec, name: name, widths: widths ?? TensorWidths(codec),
        base: try base.source(name), shared: shared?.vector(name, of: .shared))
      var sources: [(name: String, source: (any WeightSource)?)] = []
      for (expert, model) in experts {
        do throws(TinctureError) {
          sources.append((expert, try model.source(name)))
        } catch { throw error.located(model: expert) }
      }
      return try body(encoder, sources)
    } catch { throw error.located(tensor: name) }
  }
}
