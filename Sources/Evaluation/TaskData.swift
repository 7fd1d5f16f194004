internal import SystemPackage
internal import TinctureSafetensors
internal import TinctureTensors
internal import TinctureTorch

/// The examples of a task: columns of a safetensors file, read batch by batch.
struct TaskData {
  let reference: TaskDataReference
  private let file: SafetensorsFile
  private let inputs: StoredTensor
  private let targets: StoredTensor

  /// How many examples there are.
  var count: Int { inputs.shape.extents.first ?? 0 }

  /// Opens the examples.
  ///
  /// - Throws: `missingInput` when the file is not there, `data` when columns are missing or do not fit.
  init(_ reference: TaskDataReference, in suite: EvaluationSuite) throws(TinctureError) {
    self.reference = reference
    file = try SafetensorsFile(opening: suite.path(reference.file))
    inputs = try Self.column(reference.inputs, of: file)
    targets = try Self.column(reference.targets, of: file)
    guard targets.shape.extents == [count] else {
      throw TinctureError(
        .data,
        "The column has the shape \(targets.shape.extents); there must be one target for each of the"
          + " \(count) examples in \(reference.inputs).",
        at: .init(file: file.file.path.string, tensor: targets.name))
    }
    guard count > 0 else {
      throw TinctureError(
        .data, "There are no examples.",
        at: .init(file: file.file.path.string, tensor: inputs.name))
    }
  }

  private static func column(
    _ name: String, of file: SafetensorsFile
  ) throws(TinctureError) -> StoredTensor {
    guard let column = file.header.tensors.first(where: { $0.name == name }) else {
      let names = file.header.tensors.map(\.name).prefix(20).joined(separator: ", ")
      throw TinctureError(
        .data, "There is no column '\(name)'; the file has \(names).",
        at: .init(file: file.file.path.string))
    }
    return column
  }

  /// Mixes everything on which outputs depend into a digest.
  func update(_ digest: inout ContentDigest) throws(TinctureError) {
    for column in [inputs] {
      digest.update("\(column.dtype.rawValue)\(column.shape.extents)")
      for start in stride(from: 0, to: column.byteCount, by: 1 << 20) {
        let bytes = try file.file.bytes(
          at: column.byteOffset + start, count: min(1 << 20, column.byteCount - start))
        bytes.withUnsafeBytes { digest.update($0) }
      }
    }
  }

  /// Some of the inputs, as they are stored.
  func inputs(_ range: Range<Int>) throws(TinctureError) -> TorchTensor {
    let extents = Array(inputs.shape.extents.dropFirst())
    let size = inputs.byteCount / count
    let bytes = try file.file.bytes(
      at: inputs.byteOffset + range.lowerBound * size, count: range.count * size)
    return try TorchTensor(copying: bytes, shape: [range.count] + extents, dtype: inputs.dtype)
  }

  /// All labels.
  func labels() throws(TinctureError) -> [Int] {
    let bytes = try file.file.bytes(at: targets.byteOffset, count: targets.byteCount)
    let tensor = try TorchTensor(copying: bytes, shape: [count], dtype: targets.dtype)
    return try tensor.converted(to: .i64).array(as: Int.self)
  }
}

extension TorchTensor {
  init(copying bytes: [UInt8], shape: [Int], dtype: DType) throws(TinctureError) {
    let tensor = bytes.withUnsafeBytes { memory in
      Result { () throws(TinctureError) in
        try TorchTensor(copying: memory, shape: shape, dtype: dtype)
      }
    }
    self = try tensor.get()
  }
}
