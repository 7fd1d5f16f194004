internal import TinctureSafetensors
internal import TinctureTensors

/// The first rows of a tensor.
struct FirstRowsReader: TensorReader {
  private let whole: any TensorReader
  let shape: Shape

  init?(_ whole: any TensorReader, rows: Int) {
    guard let all = whole.shape.extents.first, rows <= all,
      let shape = Shape([rows] + whole.shape.extents.dropFirst())
    else { return nil }
    self.whole = whole
    self.shape = shape
  }

  var dtype: DType { whole.dtype }
  var place: TinctureError.Place { whole.place }
  var storedRange: (file: InputFile, offset: Int)? { whole.storedRange }
  var workingBytes: Int { whole.workingBytes }

  func read(
    _ range: Range<Int>, into output: inout MutableSpan<Float>, window: ReadWindow
  ) throws(TinctureError) -> UInt32 {
    try whole.read(range, into: &output, window: window)
  }
}
