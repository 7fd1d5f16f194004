package import TinctureMerging
internal import TinctureSafetensors
internal import TinctureTensors

extension TaskVectorSet {
  /// What the base and all task vectors take in memory.
  ///
  /// - Parameters:
  ///   - steps: The steps of a merge.
  ///   - isChanged: Whether task vectors are changed before they are merged.
  /// - Returns: Bytes: 4 for each element, 2 for those of experts that are kept as they are stored.
  package static func residentBytes(_ steps: [MergeStep], isChanged: Bool = false) -> Int {
    steps.reduce(0) { sum, step in
      let widths = step.models.map { !isChanged && storedFormat($0) != nil ? 2 : 4 }
      return sum + step.shape.elementCount * widths.reduce(4, +)
    }
  }

  /// The form in which an expert's tensor can be kept; nil where it is not stored in 16 bits in row-major order.
  private static func storedFormat(_ reader: any TensorReader) -> StoredElements.Format? {
    reader.storedRange == nil ? nil : StoredElements.Format(reader.dtype)
  }

  /// The same set with all task vectors in memory, changed already.
  init(loading other: TaskVectorSet) throws(TinctureError) {
    var vectors: [[TaskVectorSource]] = []
    for (index, tensor) in other.tensors.enumerated() {
      var own: [TaskVectorSource?] = []
      for task in 0..<other.taskCount { own.append(try other.stored(index, task)) }
      let rest = own.indices.filter { own[$0] == nil }
      let memory = rest.map { _ in FloatMemory(zeros: tensor.elementCount) }
      let places = Dictionary(zip(rest, memory), uniquingKeysWith: { $1 })
      try other.forEachBlock(index, tasks: rest) { (start, task, elements) throws(TinctureError) in
        places[task]?.fill(start..<start + elements.count) { Kernels.copy(elements, to: &$0) }
      }
      for (task, memory) in places { own[task] = .memory(memory) }
      vectors.append(own.compactMap(\.self))
    }
    self.init(
      tensors: other.tensors, taskCount: other.taskCount, base: other.base, vectors: vectors,
      change: nil, nonFinite: other.nonFinite, workers: other.workers, isResident: true)
  }

  /// The elements of an expert as they are stored; nil where task vectors are changed, where they are stored in
  /// another form, or where one is not finite, which reading them as numbers deals with.
  private func stored(_ index: Int, _ task: Int) throws(TinctureError) -> TaskVectorSource? {
    guard change == nil, case .reader(let reader) = vectors[index][task],
      let format = Self.storedFormat(reader), let stored = reader.storedRange
    else { return nil }
    var bits = ContiguousArray<UInt16>(repeating: 0, count: tensors[index].elementCount)
    let reading = bits.withUnsafeMutableBytes { bytes in
      Result { () throws(TinctureError) in try stored.file.read(at: stored.offset, into: bytes) }
    }
    do throws(TinctureError) { try reading.get() } catch {
      let place = reader.place
      throw error.located(file: place.file, model: place.model, tensor: place.tensor)
    }
    let elements = StoredElements(bits, as: format)
    return elements.isFinite ? .stored(elements) : nil
  }
}
