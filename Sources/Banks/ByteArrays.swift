extension Array where Element == UInt8 {
  /// Reads the bytes; unlike the standard library's function it keeps the type of errors.
  func withBytes<Failure: Error>(_ body: (UnsafeRawBufferPointer) throws(Failure) -> Void)
    throws(Failure)
  {
    try withUnsafeBufferPointer { (bytes) throws(Failure) in
      try body(UnsafeRawBufferPointer(bytes))
    }
  }
}
