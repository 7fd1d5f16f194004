internal import TinctureCheckpoints
public import TinctureMerging
internal import TinctureNetworks
public import TinctureTensors
public import TinctureEvaluation

extension TaskVectorSet {
  /// Reads the base and the experts of a suite, as far as its network needs them.
  ///
  /// - Parameters:
  ///   - suite: The suite, whose network tells which tensors there are.
  ///   - base: The base.
  ///   - experts: An expert for each task, in the order of the tasks; experts of banks among them.
  /// - Throws: `checkpoint` when a tensor is missing, misshapen or not finite, `io` when reading fails.
  /// - Complexity: T + 1 times the parameters in memory.
  public init(
    reading suite: EvaluationSuite, base: ModelInput, experts: [ModelInput]
  ) throws(TinctureError) {
    var read: [(name: String, extents: [Int], base: [Float], experts: [[Float]])] = []
    let window = ReadWindow(byteCount: 1 << 20)
    for model in [base] + experts {
      var shapes: [String: [Int]] = [:]
      for name in model.checkpoint.names { shapes[name] = try model.reader(name)?.shape.extents }
      do throws(TinctureError) { try suite.network.check(shapes) } catch {
        throw error.located(model: model.name)
      }
    }
    for needed in suite.network.parameterShapes {
      var values: [[Float]] = []
      for model in [base] + experts {
        guard let reader = try model.reader(needed.name) else { continue }
        var own = [Float](repeating: 0, count: reader.shape.elementCount)
        var span = own.mutableSpan
        _ = try reader.read(0..<span.count, into: &span, window: window)
        values.append(own)
      }
      read.append((needed.name, needed.extents, values[0], Array(values.dropFirst())))
    }
    try self.init(read)
  }
}
