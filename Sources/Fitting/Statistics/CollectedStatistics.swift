internal import TinctureCheckpoints
public import SystemPackage
public import TinctureMerging
public import TinctureTensors
public import TinctureTorch

/// What was measured of one model, ready to be written.
public struct CollectedStatistics: Sendable {
  /// The task on whose examples it was measured.
  public let task: String
  /// What was measured.
  public let kind: StatisticsKind
  /// The statistics by the names of the model's tensors.
  public let tensors: [(name: String, values: TorchTensor)]
  /// The means of the inputs of linear layers, named after their weights.
  public var inputs: [(name: String, values: TorchTensor)] = []
  /// How many examples there were.
  public let exampleCount: Int
  /// How many rows of inputs the first layer saw; nil for Fisher information.
  public let rowCount: Int?
  /// What a file says about itself.
  public let metadata: [(key: String, value: String)]

  /// Writes a file.
  ///
  /// At every moment there is either the old file or the new one.
  ///
  /// - Parameters:
  ///   - path: The file; its name must end in `.safetensors`.
  ///   - replaces: Whether a file that exists is replaced.
  /// - Returns: The size of the tensors in bytes.
  /// - Throws: `cannotCreate` or `io` when it cannot be written, `engine` when LibTorch fails.
  public func write(to path: FilePath, replaces: Bool) throws(TinctureError) -> Int {
    var described: [OutputLayout.Tensor] = []
    let tensors = tensors + inputs
    for (name, values) in tensors {
      guard let shape = Shape(values.shape) else { continue }
      described.append(.init(name: name, dtype: .f32, shape: shape))
    }
    let layout = OutputLayout(tensors: described, shardSize: .max, metadata: metadata)
    let writer = try CheckpointWriter.create(
      path, layout: layout, fingerprint: "statistics", policy: .init(replace: replaces))
    let ranges = writer.ranges
    for (position, tensor) in tensors.enumerated() {
      var failure: TinctureError?
      try tensor.values.withBytes(as: .f32) { bytes in
        do throws(TinctureError) {
          try ranges.write(bytes, file: 0, offset: layout.places[position].offset)
        } catch { failure = error }
      }
      if let failure { throw failure }
    }
    try writer.finish()
    return layout.dataSize
  }
}
