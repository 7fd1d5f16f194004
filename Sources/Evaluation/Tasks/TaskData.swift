package import SystemPackage
package import TinctureData
internal import TinctureMetrics
package import TinctureTensors
internal import TinctureTorch

/// The examples of a task: columns of a data set, read batch by batch.
package struct TaskData: Sendable {
  /// What names the examples.
  package let reference: TaskDataReference
  /// How many examples are used.
  package let count: Int
  private let source: any DataSet

  /// The file or folder, for messages.
  package var place: String { source.source }

  /// Opens the examples.
  ///
  /// - Parameters:
  ///   - context: The task.
  ///   - needsTargets: Whether there is a column of what is true.
  /// - Throws: `missingInput` when nothing is there, `data` when it is malformed or lacks a column.
  init(_ context: TaskContext, needsTargets: Bool = true) throws(TinctureError) {
    let reference = context.task.data
    var targets: FieldType?
    if needsTargets, context.needsTargets {
      targets = context.metric.needs == .numbers ? .number : reference.labelType
    }
    try self.init(
      reference, at: context.suite.path(reference.file), targets: targets,
      limit: context.exampleLimit)
  }

  /// Opens examples.
  ///
  /// - Parameters:
  ///   - reference: What names them.
  ///   - path: The file or folder.
  ///   - targets: What is true, as texts state it; nil where it need not be known.
  ///   - limit: How many examples are used at most.
  /// - Throws: `missingInput` when nothing is there, `data` when it is malformed or lacks a column.
  package init(
    _ reference: TaskDataReference, at path: FilePath, targets: FieldType?, limit: Int?
  ) throws(TinctureError) {
    self.reference = reference
    var columns: [(name: String, type: FieldType)] = [(reference.inputs, .text)]
    if let second = reference.second { columns.append((second, .text)) }
    if let targets { columns.append((reference.targets, targets)) }
    var options = DataSetOptions(
      format: reference.format, classes: reference.classes, part: reference.part)
    let format = reference.format ?? DataSetFormat(suggestedBy: path)
    // Folders name their columns themselves.
    if format != .images, format != .list, format != .mnist { options.columns = columns }
    source = try options.open(path)
    for column in columns { _ = try source.column(named: column.name) }
    count = min(source.count, limit ?? source.count)
    guard count > 0 else {
      throw TinctureError(.data, "There are no examples.", at: .init(file: source.source))
    }
  }

  /// Mixes the inputs into a digest.
  func update(_ digest: inout ContentDigest) throws(TinctureError) {
    for column in [reference.inputs] + (reference.second.map { [$0] } ?? []) {
      digest.update("column \(count)")
      for start in stride(from: 0, to: count, by: 256) {
        switch try source.read(column, start..<min(start + 256, count)) {
        case .numbers(let block):
          digest.update("\(block.dtype.rawValue)\(block.extents)")
          block.bytes.withUnsafeBytes { digest.update($0) }
        case .text(let texts): for text in texts { digest.update(text) }
        case .images(let images):
          for image in images {
            digest.update("\(image.width) \(image.height) \(image.channels)")
            image.bytes.withUnsafeBytes { digest.update($0) }
          }
        }
      }
    }
  }

  /// The kind of values of the inputs.
  package var inputContent: DataColumn.Content {
    get throws(TinctureError) { try source.column(named: reference.inputs).content }
  }

  /// The inputs as they are stored, where they are numbers.
  package func storedInputs() throws(TinctureError) -> NumberBlock {
    try source.numbers(reference.inputs, at: Array(0..<count))
  }

  /// Numbers of a column as they are stored.
  func tensor(_ column: String, at indices: [Int]) throws(TinctureError) -> TorchTensor {
    let block = try source.numbers(column, at: indices)
    let tensor = block.bytes.withUnsafeBytes { memory in
      Result { () throws(TinctureError) in
        try TorchTensor(
          copying: memory, shape: [indices.count] + block.extents, dtype: block.dtype)
      }
    }
    return try tensor.get()
  }

  /// Pictures of any size.
  package func images(at indices: [Int]) throws(TinctureError) -> [PixelImage] {
    try source.images(reference.inputs, at: indices)
  }

  /// Texts, and the second ones where examples are pairs.
  package func texts(at indices: [Int]) throws(TinctureError) -> (
    first: [String], second: [String]?
  ) {
    let first = try source.texts(reference.inputs, at: indices)
    guard let second = reference.second else { return (first, nil) }
    return (first, try source.texts(second, at: indices))
  }

  /// The labels of the first examples, one for each.
  package func labels(_ count: Int) throws(TinctureError) -> [Int] {
    try labels(at: Array(0..<count))
  }

  /// The labels of some examples, one for each.
  package func labels(at indices: [Int]) throws(TinctureError) -> [Int] {
    try single(try source.integers(reference.targets, at: indices), indices.count)
  }

  /// The numbers of the first examples, one for each.
  func numbers(_ count: Int) throws(TinctureError) -> [Double] {
    try single(try source.doubles(reference.targets, at: Array(0..<count)), count)
  }

  private func single<Value>(
    _ values: [Value], _ count: Int
  ) throws(TinctureError) -> [Value] {
    if values.count == count { return values }
    throw TinctureError(
      .data,
      "There are \(values.count / max(1, count)) targets for each example; there must be one.",
      at: .init(file: source.source, tensor: reference.targets))
  }
}

extension TaskDataReference {
  /// How texts state the label of an example.
  package var labelType: FieldType { classes.map { .label($0) } ?? .integer }
}
