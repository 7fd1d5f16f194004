internal import TinctureSafetensors
internal import TinctureTensors

/// A tensor that an earlier part of the same merge made, held in memory.
struct MemoryReader: TensorReader {
  let elements: ContiguousArray<Float>
  let shape: Shape
  let place: TinctureError.Place

  var dtype: DType { .f32 }
  var storedRange: (file: InputFile, offset: Int)? { nil }
  var workingBytes: Int { 0 }

  func read(_ range: Range<Int>, into output: inout MutableSpan<Float>, window: ReadWindow)
    throws(TinctureError) -> UInt32
  {
    Kernels.copy(elements.span.extracting(range), to: &output)
    return Kernels.largestMagnitude(output.span)
  }
}
