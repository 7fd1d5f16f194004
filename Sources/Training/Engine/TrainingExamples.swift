internal import TinctureData
internal import TinctureEvaluation
internal import TinctureMerging
internal import TinctureNetworks
internal import TinctureTensors
internal import TinctureTorch

/// The examples of a run in memory, and batches of them.
///
/// Images stay the bytes that they are stored as and texts the ids of their tokens; numbers for the network are made
/// batch by batch. Pictures of any size are read and scaled batch by batch.
struct TrainingExamples: Sendable {
  private enum Inputs: Sendable {
    case stored(NumberBlock, PixelLayout, ImageNormalization)
    case pictures(TaskData, ImagePreprocessor)
    case texts([EncodedText], padding: Int)
    case ids(NumberBlock, length: Int?)
  }

  /// What goes into a network.
  enum Batch {
    case images(TorchTensor)
    case texts(TokenBatch)
  }

  /// How many examples there are.
  let count: Int
  /// The class of each example.
  let labels: [Int]
  /// The file or folder, for messages.
  let place: String
  private let inputs: Inputs
  private let imageSize: Int?
  private let channels: Int
  private let device: TorchDevice

  /// Reads examples.
  ///
  /// - Parameters:
  ///   - reference: Where they are.
  ///   - limit: How many of the first are used.
  ///   - run: What they are for.
  ///   - network: The network that sees them.
  ///   - device: Where batches shall lie.
  /// - Throws: `missingInput` or `data` when they are not there, malformed, or do not fit the network.
  init(
    _ reference: TaskDataReference, limit: Int?, of run: TrainingRun, for network: TrainedNetwork,
    on device: TorchDevice
  ) throws(TinctureError) {
    let data = try TaskData(
      reference, at: run.path(reference.file), targets: reference.labelType, limit: limit)
    count = data.count
    place = data.place
    labels = try data.labels(data.count)
    self.device = device
    imageSize = network.imageSize
    channels = network.channels ?? 0
    let content = try data.inputContent
    if network.channels == nil {
      inputs = try Self.texts(data, content, run)
    } else {
      inputs = try Self.images(data, content, run, imageSize: imageSize, channels: channels)
    }
    // A batch of one finds out whether shapes fit.
    _ = try batch(of: [0])
  }

  private static func images(
    _ data: TaskData, _ content: DataColumn.Content, _ run: TrainingRun, imageSize: Int?,
    channels: Int
  ) throws(TinctureError) -> Inputs {
    switch run.input {
    case .preprocessed(let name):
      guard channels == 3 else {
        throw run.refusal(
          "An input '\(name.rawValue)' makes images of three channels; the network takes \(channels)."
        )
      }
      var preprocessor = name.preprocessor
      if let imageSize { preprocessor.size = imageSize }
      return .pictures(data, preprocessor)
    case .normalized(let normalization):
      guard case .numbers(let dtype, let extents) = content else {
        throw run.refusal(
          "The images of \(data.place) are pictures of any size; say 'preprocess: clip' or 'preprocess:"
            + " imagenet' in 'input'.")
      }
      guard let bytes = dtype.byteWidth,
        let layout = PixelLayout(extents, channels: channels, elementBytes: bytes)
      else {
        throw TinctureError(
          .data, "Arrays of the shape \(extents) are no images.", at: .init(file: data.place))
      }
      return .stored(try data.storedInputs(), layout, normalization)
    }
  }

  private static func texts(
    _ data: TaskData, _ content: DataColumn.Content, _ run: TrainingRun
  ) throws(TinctureError) -> Inputs {
    if case .numbers(_, let extents) = content {
      guard extents.count == 1 else {
        throw run.refusal("Texts are rows of ids, but the column has arrays of \(extents).")
      }
      return .ids(try data.storedInputs(), length: run.length)
    }
    guard let folder = run.tokenizer else {
      throw run.refusal("The inputs of \(data.place) are texts; name the folder of a 'tokenizer'.")
    }
    let tokenizer = try TextTokenizers.open(run.path(folder))
    var encoded: [EncodedText] = []
    encoded.reserveCapacity(data.count)
    for start in stride(from: 0, to: data.count, by: 1024) {
      let texts = try data.texts(at: Array(start..<min(start + 1024, data.count)))
      for (place, text) in texts.first.enumerated() {
        encoded.append(tokenizer.encode(text, texts.second?[place], limit: run.length))
      }
    }
    return .texts(encoded, padding: tokenizer.paddingID)
  }

  /// The labels of some examples, i64 [N].
  func labels(of indices: [Int]) throws(TinctureError) -> TorchTensor {
    try TorchTensor(indices.map { labels[$0] }, on: device)
  }

  /// Some examples as a network takes them.
  ///
  /// - Parameters:
  ///   - indices: The examples.
  ///   - augmentation: What is changed at random about images.
  ///   - random: The random numbers of the epoch.
  /// - Returns: The batch.
  /// - Throws: `data` when something cannot be read or does not fit, `engine` when memory runs out.
  func batch(
    of indices: [Int], _ augmentation: Augmentation = Augmentation(), _ random: CounterRandom? = nil
  ) throws(TinctureError) -> Batch {
    func draw(_ index: Int) -> Augmentation.Draw {
      random.map { augmentation.draw(index, $0) } ?? Augmentation.Draw()
    }
    switch inputs {
    case .stored(let block, let layout, let normalization):
      let bytes = Self.gathered(indices.count, layout, from: { indices[$0] }, block.bytes) {
        draw(indices[$0])
      }
      let stored = try Self.tensor(bytes, [indices.count] + block.extents, block.dtype)
      return .images(
        try normalization(stored.moved(to: device), size: imageSize, channels: channels))
    case .pictures(let data, let preprocessor):
      let values = preprocessor.apply(to: try data.images(at: indices))
      let shape = [indices.count] + preprocessor.extents
      if augmentation.isIdentity || random == nil {
        return .images(try TorchTensor(values, shape: shape, on: device))
      }
      // A scaled picture is not black where it is zero, but grey; its surroundings are, too.
      let layout = PixelLayout(
        planes: 3, height: preprocessor.size, width: preprocessor.size, pixelBytes: 4)
      let bytes = values.withUnsafeBytes { memory in
        Self.gathered(indices.count, layout, from: { $0 }, memory) { draw(indices[$0]) }
      }
      return .images(try Self.tensor(bytes, shape, .f32).moved(to: device))
    case .texts(let texts, let padding):
      let rows = indices.map { texts[$0].ids }
      let types = indices.map { texts[$0].types }
      let hasTypes = types.contains { $0.contains { $0 != 0 } }
      return .texts(
        try TokenBatch(rows, padding: padding, types: hasTypes ? types : nil, on: device))
    case .ids(let block, let length):
      let row = block.exampleSize * (block.dtype.byteWidth ?? 1)
      let layout = PixelLayout(planes: 1, height: 1, width: row, pixelBytes: 1)
      let bytes = Self.gathered(indices.count, layout, from: { indices[$0] }, block.bytes) { _ in
        Augmentation.Draw()
      }
      var ids = try Self.tensor(bytes, [indices.count] + block.extents, block.dtype)
        .converted(to: .i64)
      if let length, length < ids.shape[1] { ids = try ids.slice(0..<length, along: 1) }
      return .texts(try TokenBatch(ids: ids.moved(to: device)))
    }
  }

  private static func tensor(
    _ bytes: [UInt8], _ shape: [Int], _ dtype: DType
  ) throws(TinctureError) -> TorchTensor {
    try bytes.withUnsafeBytes { memory in
      Result { () throws(TinctureError) in
        try TorchTensor(copying: memory, shape: shape, dtype: dtype)
      }
    }.get()
  }

  private static func gathered(
    _ count: Int, _ layout: PixelLayout, from place: (Int) -> Int, _ bytes: [UInt8],
    _ draw: (Int) -> Augmentation.Draw
  ) -> [UInt8] {
    bytes.withUnsafeBytes { gathered(count, layout, from: place, $0, draw) }
  }

  /// Images from anywhere in memory, one after another.
  private static func gathered(
    _ count: Int, _ layout: PixelLayout, from place: (Int) -> Int, _ memory: UnsafeRawBufferPointer,
    _ draw: (Int) -> Augmentation.Draw
  ) -> [UInt8] {
    let size = layout.byteCount
    return [UInt8](unsafeUninitializedCapacity: count * size) { buffer, initialized in
      initialized = count * size
      guard let source = memory.baseAddress,
        let target = UnsafeMutableRawBufferPointer(buffer).baseAddress
      else { return }
      for number in 0..<count {
        let start = place(number) * size
        precondition(start + size <= memory.count, "An example lies outside of the data.")
        layout.copy(source + start, to: target + number * size, draw(number))
      }
    }
  }
}

extension TrainingRun {
  /// The failure of a run whose settings do not fit each other.
  func refusal(_ message: String) -> TinctureError {
    TinctureError(.recipe, message, at: .init(file: source.name))
  }
}
