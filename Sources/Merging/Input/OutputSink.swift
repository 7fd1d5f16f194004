internal import TinctureCheckpoints
internal import TinctureTensors

/// Rounds a step's blocks to the output type and writes them in large pieces.
///
/// Pieces end at multiples of their size in the file, where the system's file cache takes them with the least
/// work. While another worker writes to the same file, the sink goes on filling its buffer.
struct OutputSink {
  private let writer: RangeWriter
  private let dtype: DType
  private let file: Int
  private var offset: Int
  private let buffer: UnsafeMutableRawBufferPointer
  private var filled = 0
  private let piece: Int
  private let advance: (Int) -> Void

  init(
    step: MergeStep, writer: RangeWriter, piece: Int, buffer: UnsafeMutableRawBufferPointer,
    advance: @escaping (Int) -> Void
  ) {
    self.writer = writer
    self.buffer = buffer
    self.piece = piece
    self.advance = advance
    dtype = step.dtype
    file = step.output.file
    offset = step.output.offset + step.elements.lowerBound * (step.dtype.byteWidth ?? 0)
  }

  /// Writes a whole tensor from its beginning.
  init(
    dtype: DType, place: OutputLayout.Place, writer: RangeWriter, piece: Int,
    buffer: UnsafeMutableRawBufferPointer, advance: @escaping (Int) -> Void
  ) {
    self.writer = writer
    self.buffer = buffer
    self.piece = piece
    self.advance = advance
    self.dtype = dtype
    file = place.file
    offset = place.offset
  }

  mutating func append(_ values: Span<Float>) throws(TinctureError) {
    let bytes = values.count * (dtype.byteWidth ?? 0)
    if filled + bytes > buffer.count { try flush() }
    Kernels.narrow(
      values, as: dtype,
      into: UnsafeMutableRawBufferPointer(rebasing: buffer[filled..<filled + bytes]))
    filled += bytes
    let ready = (offset + filled) / piece * piece - offset
    guard ready > 0 else { return }
    let wholePieces = UnsafeRawBufferPointer(rebasing: buffer[..<ready])
    if try writer.writeIfFree(wholePieces, file: file, offset: offset) { proceed(ready) }
  }

  mutating func flush() throws(TinctureError) {
    guard filled > 0 else { return }
    try writer.write(
      UnsafeRawBufferPointer(rebasing: buffer[..<filled]), file: file, offset: offset)
    proceed(filled)
  }

  /// Goes on after some bytes that were written; those behind them move to the front.
  private mutating func proceed(_ written: Int) {
    advance(written)
    offset += written
    filled -= written
    if filled > 0, let start = buffer.baseAddress {
      start.copyMemory(from: start + written, byteCount: filled)
    }
  }
}
