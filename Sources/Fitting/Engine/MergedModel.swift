package import SystemPackage
internal import TinctureCheckpoints
internal import TinctureSafetensors
package import TinctureMerging
package import TinctureTensors

/// The tensors of a merged model, kept until they are used.
package enum MergedModel {
  /// Keeps the tensors of a model in memory or in a file.
  ///
  /// - Parameters:
  ///   - vectors: What was merged.
  ///   - file: The file, which is written tensor by tensor; nil keeps the tensors in memory.
  ///   - make: Makes the merged tensor of a number.
  /// - Returns: The tensors by name.
  /// - Throws: What `make` throws, `io` when writing fails.
  package static func readers(
    _ vectors: TaskVectorSet, in file: FilePath? = nil,
    _ make: (Int) throws(TinctureError) -> FloatMemory
  ) throws(TinctureError) -> [String: any TensorReader] {
    var readers: [String: any TensorReader] = [:]
    guard let file else {
      for (index, tensor) in vectors.tensors.enumerated() {
        readers[tensor.name] = MemoryTensorReader(tensor, try make(index))
      }
      return readers
    }
    try write(vectors, to: file, make)
    let stored = try SafetensorsFile(opening: file)
    for tensor in stored.header.tensors {
      readers[tensor.name] = StoredTensorReader(tensor, in: stored.file, model: "learned")
    }
    return readers
  }

  private static func write(
    _ vectors: TaskVectorSet, to file: FilePath,
    _ make: (Int) throws(TinctureError) -> FloatMemory
  ) throws(TinctureError) {
    var descriptions: [(name: String, dtype: DType, shape: Shape)] = []
    for tensor in vectors.tensors {
      guard let shape = Shape(tensor.extents) else { continue }
      descriptions.append((tensor.name, .f32, shape))
    }
    func write(_ bytes: UnsafeRawBufferPointer, _ output: FileDescriptor) throws(TinctureError) {
      do { _ = try output.writeAll(bytes) } catch {
        throw TinctureError(
          .io, "The merged model cannot be kept: \(error)",
          at: .init(file: file.string))
      }
    }
    try Directories.makeAll(file.removingLastComponent())
    let output: FileDescriptor
    do {
      output = try FileDescriptor.open(
        file, .writeOnly, options: [.create, .truncate, .closeOnExec],
        permissions: [.ownerReadWrite])
    } catch {
      throw TinctureError(
        .io, "The merged model cannot be kept: \(error)",
        at: .init(file: file.string))
    }
    defer { try? output.close() }
    let header = SafetensorsHeader.encode(tensors: descriptions, metadata: [])
    let written = header.withUnsafeBytes { bytes in
      Result { () throws(TinctureError) in try write(bytes, output) }
    }
    try written.get()
    // In the order of the header, which is that of the tensors.
    for index in vectors.tensors.indices {
      let memory = try make(index)
      try memory.withSpan(0..<memory.count) { (span) throws(TinctureError) in
        let written = span.withUnsafeBytes { bytes in
          Result { () throws(TinctureError) in try write(bytes, output) }
        }
        try written.get()
      }
    }
  }
}
