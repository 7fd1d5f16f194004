internal import SystemPackage
internal import TinctureCheckpoints
internal import TinctureSafetensors
internal import TinctureTensors

/// A stored tensor with vectors of a mixture added while it is read: θ + Σ aₜ vₜ.
struct MixedReader: TensorReader {
  private let stored: any TensorReader
  private let mixture: Mixture
  private let terms: [(factor: Float, vector: Mixture.Vector)]
  private let model: String

  /// Creates a reader.
  ///
  /// - Parameters:
  ///   - stored: The tensor of the model.
  ///   - mixture: The mixture.
  ///   - terms: How much is added of which vectors.
  ///   - model: The model, as it is named.
  /// - Throws: `checkpoint` when a vector does not fit the tensor.
  init(
    _ stored: any TensorReader, _ mixture: Mixture,
    _ terms: [(factor: Float, vector: Mixture.Vector)], model: String
  ) throws(TinctureError) {
    if let other = terms.first(where: { $0.vector.shape != stored.shape }) {
      throw TinctureError(
        .checkpoint,
        "The mixture has a vector \(other.vector.shape) for this tensor, whose shape is"
          + " \(stored.shape).", at: stored.place)
    }
    (self.stored, self.mixture, self.terms, self.model) = (stored, mixture, terms, model)
  }

  var dtype: DType { stored.dtype }
  var shape: Shape { stored.shape }
  var place: TinctureError.Place { stored.place }
  /// None: the stored bytes are not the mixed ones.
  var storedRange: (file: InputFile, offset: Int)? { nil }
  /// The sum of the vectors, and a vector while it is unpacked.
  var workingBytes: Int { shape.elementCount * 8 }

  /// What identifies what is added, as far as can be told without reading it.
  var identity: String {
    let file = mixture.file.file
    return "\(file.path) \(file.size) \(file.modification) \(terms.map(\.factor))"
  }

  func read(
    _ range: Range<Int>, into output: inout MutableSpan<Float>, window: ReadWindow
  ) throws(TinctureError) -> UInt32 {
    let key = TinctureError.Place(
      file: mixture.file.file.path.string, model: model, tensor: stored.place.tensor)
    if window.kept[key] == nil {
      var sum = ContiguousArray<Float>(repeating: 0, count: shape.elementCount)
      for term in terms { try mixture.add(term.vector, times: term.factor, to: &sum) }
      window.kept[key] = [sum]
    }
    _ = try stored.read(range, into: &output, window: window)
    let sum = window.kept[key]?.first ?? []
    Kernels.add(sum.span.extracting(range), to: &output)
    return Kernels.largestMagnitude(output.span)
  }
}

/// One task of a model that mixes: the tensors that all its inputs would be computed with.
struct MixtureExpert {
  let mixture: Mixture
  private let weights: [String: [Float]]

  /// Takes a task, `TASK` or `TASK:mean`.
  ///
  /// - Parameters:
  ///   - path: The mixture.
  ///   - name: The task. With the suffix it is mixed as the task's inputs were on average; without, its
  ///     own expert is taken, which there is where features are routed.
  /// - Throws: `missingInput` when there is no such task, `checkpoint` when inputs are routed in perceptrons,
  ///   so that no model of the task alone exists.
  init(_ path: FilePath, task name: String) throws(TinctureError) {
    mixture = try Mixture(opening: path)
    let isKnown = mixture.experts.contains { $0.name == name }
    if name.hasSuffix(Mixture.meanSuffix), !isKnown {
      let task = try mixture.index(of: String(name.dropLast(Mixture.meanSuffix.count)))
      weights = try mixture.meanWeights(task)
      return
    }
    let task = try mixture.index(of: name)
    guard mixture.routing == .features else {
      throw TinctureError(
        .checkpoint,
        "\(mixture.method) mixes its perceptrons anew for every input, so that there is no plain checkpoint of"
          + " '\(name)'. What its inputs are mixed with on average is '\(name)\(Mixture.meanSuffix)', or --mean"
          + " of extract.", at: .init(file: path.string))
    }
    var own = [Float](repeating: 0, count: mixture.experts.count)
    own[task] = 1
    weights = ["": own]
  }

  /// A reader of a tensor, mixed where the task mixes it.
  func reader(
    _ name: String, _ stored: any TensorReader, model: String
  ) throws(TinctureError) -> any TensorReader {
    guard let factors = factors(of: name) else { return stored }
    var terms: [(factor: Float, vector: Mixture.Vector)] = []
    for (expert, factor) in zip(mixture.experts, factors) where factor != 0 {
      if let vector = expert.vectors[name] { terms.append((factor, vector)) }
    }
    return terms.isEmpty ? stored : try MixedReader(stored, mixture, terms, model: model)
  }

  /// The factors of the module that a tensor belongs to.
  private func factors(of name: String) -> [Float]? {
    if let all = weights[""] { return all }
    return weights.first { name.hasPrefix($0.key + ".") }?.value
  }

  /// Makes sure that every vector is for a tensor of the model.
  func check(_ checkpoint: Checkpoint) throws(TinctureError) {
    for expert in mixture.experts {
      for name in expert.vectors.keys.sorted() where checkpoint[name] == nil {
        throw TinctureError(
          .checkpoint,
          "The mixture has a vector of '\(expert.name)' for a tensor that the model does not have.",
          at: .init(file: mixture.file.file.path.string, tensor: name))
      }
    }
  }
}
