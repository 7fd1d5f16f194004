internal import SystemPackage
internal import TinctureSafetensors
internal import TinctureMerging
internal import TinctureTensors

/// A tensor whose elements are in memory.
struct MemoryTensorReader: TensorReader {
  let name: String
  let shape: Shape
  let memory: FloatMemory

  /// Names numbers; nil when the extents do not fit them.
  init?(_ tensor: TaskVectorSet.Tensor, _ memory: FloatMemory) {
    guard let shape = Shape(tensor.extents), shape.elementCount == memory.count else { return nil }
    (name, self.shape, self.memory) = (tensor.name, shape, memory)
  }

  var dtype: DType { .f32 }
  var place: TinctureError.Place { .init(tensor: name) }
  var storedRange: (file: InputFile, offset: Int)? { nil }
  var workingBytes: Int { 0 }

  func read(
    _ range: Range<Int>, into output: inout MutableSpan<Float>, window: ReadWindow
  ) throws(TinctureError) -> UInt32 {
    memory.withSpan(range) { span in
      span.withUnsafeBytes { Kernels.widen($0, as: .f32, into: &output) }
    }
  }
}
