public import SystemPackage
internal import TinctureCheckpoints
internal import TinctureJSON
internal import TinctureLinearAlgebra
internal import TinctureMerging
internal import TinctureSafetensors
public import TinctureTensors

/// Several adapters in one file, each of which can be taken out again: reversible merging of low-rank weights.
///
/// For each layer the columns of all A and the rows of all B are stored, position by position, as their mean, p
/// directions and coefficients: p (r + n) + r numbers in the place of r n for n adapters of rank r. With
/// p = n − 1 nothing is lost. Scales are in B; smaller ranks are filled up with zeros. The file is a safetensors file
/// with `MODULE.A.mean` [in, r], `MODULE.A.basis` [in, p, r], `MODULE.A.coefficients` [in, n, p], the same for B, and a
/// description under `tincture_adapters` in its metadata. Source: Reversible model merging for low-rank
/// weights, arXiv:2510.14163; the layout is our own.
public struct ReversiblePackage: Sendable {
  /// The names of the adapters.
  public let tasks: [String]
  /// The number of directions at each position.
  public let components: Int
  private let path: FilePath
  private let checkpoint: Checkpoint
  private let description: Description

  static let key = "tincture_adapters"

  /// Opens a package.
  ///
  /// - Parameter path: The file.
  /// - Throws: `missingInput` when it is not there, `checkpoint` when it is no package.
  public init(opening path: FilePath) throws(TinctureError) {
    let file = try SafetensorsFile(opening: path)
    guard let text = file.header.metadata.first(where: { $0.key == Self.key })?.value else {
      throw TinctureError(
        .checkpoint, "This is no package of adapters.", at: .init(file: path.string))
    }
    do throws(TinctureError) {
      description = try Description(JSONValue(parsing: Array(text.utf8)))
    } catch { throw error.located(file: path.string) }
    self.path = path
    checkpoint = try Checkpoint.open(path)
    tasks = description.tasks
    components = description.components
  }

  /// Packs adapters.
  ///
  /// - Parameters:
  ///   - adapters: The adapters, with their names in the package.
  ///   - components: The number of directions at each position; n − 1 loses nothing.
  ///   - dtype: The type of the numbers; nil takes that of the factors.
  ///   - job: How and where; the output must end in `.safetensors`.
  /// - Returns: What each layer lost over all adapters.
  /// - Throws: `usage` for names that are not different, `checkpoint` for adapters that do not go together, and
  ///   what reading and writing throw.
  public static func write(
    _ adapters: [(name: String, adapter: Adapter)], components: Int, dtype: DType? = nil,
    _ job: AdapterJob
  ) async throws(TinctureError) -> AdapterReport {
    let algebra = try Backend.shared
    let (names, all) = (adapters.map(\.name), adapters.map(\.adapter))
    guard components >= 0, !all.isEmpty, Set(names).count == names.count else {
      throw TinctureError(
        .usage, "A package needs adapters of different names, and 0 components or more.")
    }
    guard CheckpointWriter.isSingleFile(job.output) else {
      throw TinctureError(
        .cannotCreate, "A package is a file; choose a name that ends in .safetensors.",
        at: .init(file: job.output.string))
    }
    try AdapterAgreement.check(all)
    try CheckpointWriter.checkVacant(job.output, policy: .init(replace: job.replaces))
    try job.check(inputs: all.map { FilePath($0.source.path) })
    for adapter in all {
      if let name = adapter.source.replacements.first?.name
        ?? adapter.layers.first(where: adapter.hasBias)?.name
      {
        throw TinctureError(
          .checkpoint, "A package holds factors only, no tensors stored whole and no biases.",
          at: .init(model: adapter.name, tensor: name))
      }
    }
    let description = Description(names, all, components, dtype ?? .widest(all.map(\.dtype)))
    let type = description.dtype
    let layers = description.layers
    let layout = OutputLayout(
      tensors: layers.flatMap { description.tensors($0) }, shardSize: .max,
      metadata: [(key, description.json.text(indentation: nil))])
    let writer = try CheckpointWriter.create(
      job.output, layout: layout, fingerprint: "", policy: .init(replace: job.replaces))
    let ranges = writer.ranges
    var places = layout.places.makeIterator()
    var report = AdapterReport()
    let bytes = layers.map { 96 * $0.layer.elementsPerRank * $0.ranks.reduce(0, +) }.max() ?? 0
    try await job.forEach(layers.map(\.layer), bytes: bytes) { (number) throws(TinctureError) in
      try layers[number].packed(all, components, as: type, algebra)
    } take: { (_, made) throws(TinctureError) in
      report.layers.append(made.loss)
      for part in made.parts {
        guard let place = places.next() else { continue }
        try part.withUnsafeBufferPointer { (bytes) throws(TinctureError) in
          try ranges.write(
            UnsafeRawBufferPointer(bytes), file: place.file, offset: place.offset)
        }
      }
    }
    try writer.finish()
    report.byteCount = layout.dataSize
    report.notes = AdapterAgreement.notes(all)
    return report
  }

  /// Writes one of the adapters as an adapter of its own.
  ///
  /// - Parameters:
  ///   - task: Its name.
  ///   - job: How and where.
  /// - Returns: The layers with their ranks.
  /// - Throws: `missingInput` when there is no adapter of this name, and what reading and writing throw.
  public func extract(_ task: String, _ job: AdapterJob) async throws(TinctureError)
    -> AdapterReport
  {
    guard let index = tasks.firstIndex(of: task) else {
      throw TinctureError(
        .missingInput,
        "The package has no adapter \(task); it has \(tasks.joined(separator: ", ")).",
        at: .init(file: path.string))
    }
    try job.checkOutput(description.style)
    try job.check(inputs: [path])
    let layers = description.layers.filter { $0.ranks[index] > 0 }
    var outline = AdapterOutline(
      style: description.style, dtype: description.dtype,
      items: layers.map { .init(layer: $0.layer, rank: $0.ranks[index]) })
    outline.baseModel = description.baseModel
    outline.isTransposed = description.isTransposed
    outline.taskType = description.taskType
    let (type, components, checkpoint) = (description.dtype, components, checkpoint)
    let bytes = layers.map { 96 * $0.layer.elementsPerRank * $0.ranks.reduce(0, +) }.max() ?? 0
    var report = AdapterReport()
    report.layers = try await job.write(outline, bytes: bytes) { (number) throws(TinctureError) in
      let pair = try layers[number].unpacked(index, components, checkpoint)
      let norm = pair.up.frobeniusNorm * pair.down.frobeniusNorm
      return (
        try LayerNumbers(pair, as: type, layers[number].layer),
        LayerLoss(
          layer: layers[number].layer, rank: layers[number].ranks[index], norm: norm, error: 0)
      )
    }
    report.byteCount = outline.layout.dataSize
    return report
  }
}
