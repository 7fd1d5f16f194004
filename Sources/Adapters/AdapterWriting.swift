public import SystemPackage
internal import TinctureBanks
internal import TinctureCheckpoints
internal import TinctureLinearAlgebra
public import TinctureMerging
internal import TinctureSafetensors
internal import TinctureTensors

/// What one hears while an adapter is made.
public enum AdapterEvent: Sendable, Hashable {
  /// A pass over this many elements of layers begins.
  case started(elements: Int)
  /// Elements are behind.
  case passed(elements: Int)
}

/// How an adapter is made and where it goes.
public struct AdapterJob: Sendable {
  /// The directory to be made; for a file of diffusers or kohya it may end in `.safetensors`.
  public var output: FilePath
  /// Whether an output that exists is replaced.
  public var replaces: Bool
  /// Layers that are worked on at a time.
  public var workers: Int
  /// Bytes of working memory for all workers together; a layer that takes more is done alone.
  public var memoryLimit: Int
  /// Stops the work when raised.
  public var interruption: Interruption
  /// Hears of the progress, from any worker.
  public var observer: (@Sendable (AdapterEvent) -> Void)?

  /// Creates a job.
  ///
  /// - Parameters:
  ///   - output: The directory to be made.
  ///   - replaces: Whether an output that exists is replaced.
  ///   - workers: Layers that are worked on at a time.
  ///   - memoryLimit: Bytes of working memory.
  ///   - interruption: Stops the work when raised.
  ///   - observer: Hears of the progress.
  public init(
    output: FilePath, replaces: Bool = false, workers: Int = 1, memoryLimit: Int = 512 << 20,
    interruption: Interruption = Interruption(),
    observer: (@Sendable (AdapterEvent) -> Void)? = nil
  ) {
    self.output = output
    self.replaces = replaces
    self.workers = max(1, workers)
    self.memoryLimit = memoryLimit
    self.interruption = interruption
    self.observer = observer
  }
}

/// The numbers of one layer.
struct LayerNumbers: Sendable {
  /// The factors as bytes of the output's type.
  let down: [UInt8]
  let up: [UInt8]
  let bias: [UInt8]

  /// Rounds the factors of a change; the scale goes into B.
  init(_ pair: FactorPair, bias: [Double]? = nil, as dtype: DType, _ layer: AdapterLayer)
    throws(TinctureError)
  {
    var up = pair.up
    up.scale(by: pair.scale)
    func bytes(_ values: [Double]) throws(TinctureError) -> [UInt8] {
      let floats = ContiguousArray(values.map { Float($0) })
      let width = dtype.byteWidth ?? 4
      var back = ContiguousArray<Float>(repeating: 0, count: floats.count)
      let bytes = [UInt8](unsafeUninitializedCapacity: floats.count * width) { buffer, count in
        let target = UnsafeMutableRawBufferPointer(buffer)
        Kernels.narrow(floats.span, as: dtype, into: target)
        var span = back.mutableSpan
        Kernels.widen(UnsafeRawBufferPointer(target), as: dtype, into: &span)
        count = floats.count * width
      }
      guard back.allSatisfy(\.isFinite) else {
        throw TinctureError(
          .checkpoint, "A factor does not fit \(dtype.rawValue); choose --dtype float32.",
          at: .init(tensor: layer.name))
      }
      return bytes
    }
    down = try bytes(pair.down.array)
    self.up = try bytes(up.array)
    self.bias = try bias.map { (bias) throws(TinctureError) in try bytes(bias) } ?? []
  }
}

extension AdapterJob {
  /// Refuses an output that is there, or of a form that the style does not have.
  func checkOutput(_ style: AdapterStyle) throws(TinctureError) {
    if style == .peft, CheckpointWriter.isSingleFile(output) {
      throw TinctureError(
        .cannotCreate, "An adapter of PEFT is a directory; choose a name without .safetensors.",
        at: .init(file: output.string))
    }
    try CheckpointWriter.checkVacant(output, policy: .init(replace: replaces))
  }

  /// Refuses to replace what holds an input.
  func check(inputs: [FilePath]) throws(TinctureError) {
    guard let existing = FileIdentity(of: output),
      let path = inputs.first(where: { existing.holds($0) })
    else { return }
    throw TinctureError(
      .cannotCreate,
      "The output holds the input \(path), which replacing it would remove. Choose another name.",
      at: .init(file: output.string))
  }

  /// Does something for each of several layers at once, and takes the results in order.
  ///
  /// - Parameters:
  ///   - layers: The layers.
  ///   - bytes: The memory that the largest of them takes.
  ///   - make: What is done.
  ///   - take: Receives the results, in the order of the layers.
  /// - Throws: The failure of the first layer that fails, with its name.
  func forEach<Value: Sendable>(
    _ layers: [AdapterLayer], bytes: Int,
    make: @escaping @Sendable (Int) throws(TinctureError) -> Value,
    take: (Int, Value) throws(TinctureError) -> Void
  ) async throws(TinctureError) {
    let sizes = layers.map { $0.outputs * $0.inputCount }
    observer?(.started(elements: sizes.reduce(0, +)))
    let fitting = min(workers, max(1, memoryLimit / max(1, bytes)))
    let (interruption, observer) = (interruption, observer)
    try await inOrder(layers.count, workers: fitting) { (number) throws(TinctureError) in
      try interruption.check()
      do throws(TinctureError) {
        let value = try make(number)
        observer?(.passed(elements: sizes[number]))
        return value
      } catch { throw error.located(tensor: layers[number].name) }
    } take: { (number, value) throws(TinctureError) in
      try take(number, value)
    }
  }

  /// Writes an adapter layer by layer.
  ///
  /// - Parameters:
  ///   - outline: What is written.
  ///   - bytes: The memory that the largest layer takes.
  ///   - make: Makes the numbers of a layer, and something to report.
  /// - Returns: What is reported, in the order of the layers.
  /// - Throws: What making and writing throw; the output is then not there.
  func write<Report: Sendable>(
    _ outline: AdapterOutline, bytes: Int,
    make: @escaping @Sendable (Int) throws(TinctureError) -> (LayerNumbers, Report)
  ) async throws(TinctureError) -> [Report] {
    let layout = outline.layout
    let writer = try CheckpointWriter.create(
      output, layout: layout, fingerprint: "", policy: .init(replace: replaces))
    var places = layout.places.makeIterator()
    var reports: [Report] = []
    let ranges = writer.ranges
    func put(_ bytes: [UInt8]) throws(TinctureError) {
      guard let place = places.next() else { return }
      try bytes.withUnsafeBufferPointer { (bytes) throws(TinctureError) in
        try ranges.write(UnsafeRawBufferPointer(bytes), file: place.file, offset: place.offset)
      }
    }
    try await forEach(outline.items.map(\.layer), bytes: bytes, make: make) {
      (number, made) throws(TinctureError) in
      let (numbers, report) = made
      let item = outline.items[number]
      try put(numbers.down)
      try put(numbers.up)
      if outline.style == .kohya { try put(Self.single(Float(item.rank))) }
      if item.hasBias { try put(numbers.bias) }
      if let magnitude = item.magnitude {
        try put(StoredTensorReader(magnitude.tensor, in: magnitude.file, model: "").storedBytes())
      }
      reports.append(report)
    }
    for whole in outline.wholes {
      try interruption.check()
      try put(whole.reader.storedBytes())
    }
    try writer.finish(sidecars: outline.sidecars)
    return reports
  }

  private static func single(_ value: Float) -> [UInt8] {
    let bits = value.bitPattern
    return (0..<4).map { UInt8(truncatingIfNeeded: bits >> (8 * $0)) }
  }
}

extension TensorReader {
  /// All elements in row-major order, as bytes of their type.
  func storedBytes() throws(TinctureError) -> [UInt8] {
    let size = shape.byteCount(of: dtype) ?? 0
    if let range = storedRange { return try range.file.bytes(at: range.offset, count: size) }
    let count = shape.elementCount
    var values = ContiguousArray<Float>(repeating: 0, count: count)
    var span = values.mutableSpan
    _ = try read(0..<count, into: &span, window: ReadWindow(byteCount: 1 << 20))
    return [UInt8](unsafeUninitializedCapacity: size) { buffer, written in
      Kernels.narrow(values.span, as: dtype, into: UnsafeMutableRawBufferPointer(buffer))
      written = size
    }
  }
}
