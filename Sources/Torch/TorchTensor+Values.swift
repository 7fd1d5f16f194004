public import TinctureTensors

extension TorchTensor {
  /// The elements as an array, converted to a Swift type, the last axis running fastest.
  ///
  /// - Throws: `engine` when memory runs out or the device fails.
  /// - Complexity: O(n).
  public func array<E: TorchElement>(as type: E.Type = E.self) throws(TinctureError) -> [E] {
    let count = elementCount
    var result: [E] = []
    try withBytes(as: E.torchDType) { bytes in
      result = [E](unsafeUninitializedCapacity: count) { buffer, initialized in
        UnsafeMutableRawBufferPointer(buffer).copyMemory(from: bytes)
        initialized = count
      }
    }
    return result
  }

  /// The only element, converted to a Swift type.
  ///
  /// - Throws: `engine` when there is not exactly one element.
  public func item<E: TorchElement>(as type: E.Type = E.self) throws(TinctureError) -> E {
    let values = try array(as: type)
    guard values.count == 1 else {
      throw TinctureError(.engine, "A tensor \(summary) has no single element.")
    }
    return values[0]
  }

  /// Lends the elements as contiguous bytes on the processor.
  ///
  /// - Parameters:
  ///   - dtype: The type of the elements; nil keeps the tensor's.
  ///   - body: What reads the bytes, which are not valid afterwards. Nothing is copied when the tensor is
  ///     contiguous, on the processor and of that type.
  /// - Throws: `engine` when memory runs out or the device fails.
  public func withBytes(
    as dtype: DType? = nil, _ body: (UnsafeRawBufferPointer) -> Void
  ) throws(TinctureError) {
    var tensor = try moved(to: .cpu)
    if let dtype { tensor = try tensor.converted(to: dtype) }
    tensor = try tensor.contiguous()
    let count = (tensor.dtype?.byteWidth ?? 0) * tensor.elementCount
    // A tensor without elements has no memory.
    let memory = count == 0 ? nil : try tensor.memory()
    withExtendedLifetime(tensor) { body(UnsafeRawBufferPointer(start: memory, count: count)) }
  }

  /// The address of the first element.
  func memory() throws(TinctureError) -> UnsafeMutableRawPointer {
    var address: UnsafeMutableRawPointer?
    guard library.functions.dataPointer(handle.pointer, &address) == 0 else {
      throw library.failure(of: "aten::data_ptr", [.tensor(self)])
    }
    guard let address else {
      throw library.failure(of: "aten::data_ptr", [.tensor(self)], "the tensor has no memory")
    }
    return address
  }

  /// The same elements of another type.
  ///
  /// Schema: `aten::to.dtype(Tensor self, ScalarType dtype, bool non_blocking, bool copy, MemoryFormat?
  /// memory_format)`. The derivative goes through it.
  public func converted(to dtype: DType) throws(TinctureError) -> TorchTensor {
    if self.dtype == dtype { return self }
    return try library.call(
      "aten::to", "dtype", .tensor(self), .dtype(dtype), .bool(false), .bool(false), .none)
  }

  /// The same elements on another device.
  ///
  /// Schema: `aten::to.dtype_layout(Tensor self, *, ScalarType? dtype, Layout? layout, Device? device,
  /// bool? pin_memory, bool non_blocking, bool copy, MemoryFormat? memory_format)`.
  public func moved(to device: TorchDevice) throws(TinctureError) -> TorchTensor {
    if self.device == device { return self }
    return try library.call(
      "aten::to", "dtype_layout", .tensor(self), .none, .none, .some(.device(device)), .none,
      .bool(false), .bool(false), .none)
  }

  /// The same elements in the order of the axes, as one block.
  ///
  /// Schema: `aten::contiguous(Tensor self, *, MemoryFormat memory_format)`.
  public func contiguous() throws(TinctureError) -> TorchTensor {
    var isContiguous = false
    _ = library.functions.isContiguous(handle.pointer, &isContiguous)
    if isContiguous { return self }
    return try library.call("aten::contiguous", "", .tensor(self), .int(0))
  }

  /// The same elements in memory of their own.
  ///
  /// Schema: `aten::clone(Tensor self, *, MemoryFormat? memory_format)`.
  public func copy() throws(TinctureError) -> TorchTensor {
    try library.call("aten::clone", "", .tensor(self), .none)
  }
}
