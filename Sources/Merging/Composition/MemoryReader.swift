package import TinctureSafetensors
package import TinctureTensors

/// A tensor that was made and not read, held in memory.
package struct MemoryReader: TensorReader {
  let elements: ContiguousArray<Float>
  /// The extents.
  package let shape: Shape
  /// What it is called in errors.
  package let place: TinctureError.Place

  /// Holds elements, of which there are as many as the shape says.
  package init(elements: ContiguousArray<Float>, shape: Shape, place: TinctureError.Place) {
    self.elements = elements
    self.shape = shape
    self.place = place
  }

  package var dtype: DType { .f32 }
  package var storedRange: (file: InputFile, offset: Int)? { nil }
  package var workingBytes: Int { 0 }

  package func read(_ range: Range<Int>, into output: inout MutableSpan<Float>, window: ReadWindow)
    throws(TinctureError) -> UInt32
  {
    Kernels.copy(elements.span.extracting(range), to: &output)
    return Kernels.largestMagnitude(output.span)
  }
}
