public import TinctureTensors

extension TorchTensor {
  /// Creates a tensor from an array, which is copied.
  ///
  /// - Parameters:
  ///   - values: The elements, the last axis running fastest.
  ///   - shape: The extents; nil makes a vector.
  ///   - device: Where the tensor shall lie.
  /// - Throws: `engine` when the number of elements does not fit the shape or memory runs out;
  ///   `missingFacility` without LibTorch.
  public init<E: TorchElement>(
    _ values: [E], shape: [Int]? = nil, on device: TorchDevice = .cpu
  ) throws(TinctureError) {
    let shape = shape ?? [values.count]
    var result: Result<TorchTensor, TinctureError>?
    values.withUnsafeBytes { bytes in
      result = Result { () throws(TinctureError) in
        try TorchTensor(copying: bytes, shape: shape, dtype: E.torchDType, on: device)
      }
    }
    guard let result else { throw TinctureError(.internalError, "An array gave no bytes.") }
    self = try result.get()
  }

  /// Creates a tensor of rank zero.
  public init<E: TorchElement>(
    _ value: E, on device: TorchDevice = .cpu
  ) throws(TinctureError) {
    try self.init([value], shape: [], on: device)
  }

  /// Creates a tensor from raw memory, which is copied.
  ///
  /// - Parameters:
  ///   - bytes: The elements in this machine's byte order, the last axis running fastest.
  ///   - shape: The extents.
  ///   - dtype: The type of the elements.
  ///   - device: Where the tensor shall lie.
  /// - Throws: `engine` when the number of bytes does not fit.
  public init(
    copying bytes: UnsafeRawBufferPointer, shape: [Int], dtype: DType, on device: TorchDevice = .cpu
  ) throws(TinctureError) {
    try Self.check(byteCount: bytes.count, shape: shape, dtype: dtype)
    let tensor = try TorchTensor.empty(shape, dtype: dtype)
    if let source = bytes.baseAddress, !bytes.isEmpty {
      try tensor.memory().copyMemory(from: source, byteCount: bytes.count)
    }
    self = try tensor.moved(to: device)
  }

  /// Creates a tensor that uses memory in place.
  ///
  /// - Parameters:
  ///   - bytes: The elements in this machine's byte order; nobody may change them while `owner` lives.
  ///   - shape: The extents.
  ///   - dtype: The type of the elements.
  ///   - owner: What keeps the memory alive; released when LibTorch needs the memory no longer.
  /// - Throws: `engine` when the number of bytes does not fit.
  /// - Note: LibTorch 2.10 cannot release an owner; there the bytes are copied.
  public init(
    sharing bytes: UnsafeRawBufferPointer, shape: [Int], dtype: DType,
    owner: some AnyObject & Sendable
  ) throws(TinctureError) {
    let library = try LibTorch.current()
    guard let fromMemory = library.functions.fromMemory, let base = bytes.baseAddress,
      !bytes.isEmpty
    else {
      try self.init(copying: bytes, shape: shape, dtype: dtype)
      return
    }
    try Self.check(byteCount: bytes.count, shape: shape, dtype: dtype)
    let code = try library.codes.code(dtype)
    let extents = shape.map(Int64.init)
    var strides = [Int64](repeating: 1, count: shape.count)
    for axis in stride(from: shape.count - 2, through: 0, by: -1) {
      strides[axis] = strides[axis + 1] * extents[axis + 1]
    }
    let retained = Unmanaged.passRetained(owner as AnyObject)
    var pointer: OpaquePointer?
    let status = fromMemory(
      UnsafeMutableRawPointer(mutating: base), Int64(shape.count), extents, strides, 0, code,
      library.codes.code(.cpu), -1, &pointer, 0, nil, 0,
      { _, owner in owner.map { Unmanaged<AnyObject>.fromOpaque($0).release() } },
      retained.toOpaque())
    guard status == 0 else {
      let message = library.lastMessage
      retained.release()
      throw TinctureError(.engine, "torch_from_blob failed: \(message)")
    }
    try self.init(adopting: pointer, of: library, "torch_from_blob")
  }

  /// A tensor of zeros.
  ///
  /// Schema: `aten::zeros(SymInt[] size, *, ScalarType? dtype, Layout? layout, Device? device, bool?
  /// pin_memory)`.
  public static func zeros(
    _ shape: [Int], dtype: DType = .f32, on device: TorchDevice = .cpu
  ) throws(TinctureError) -> TorchTensor {
    try LibTorch.current().call(
      "aten::zeros", "", .ints(shape), .some(.dtype(dtype)), .none, .some(.device(device)), .none)
  }

  /// A tensor of one number.
  public static func full(
    _ shape: [Int], _ value: Double, dtype: DType = .f32, on device: TorchDevice = .cpu
  ) throws(TinctureError) -> TorchTensor {
    let tensor = try empty(shape, dtype: dtype, on: device)
    guard tensor.library.functions.fill(tensor.handle.pointer, value) == 0 else {
      throw tensor.library.failure(of: "aten::fill_", [.tensor(tensor)])
    }
    return tensor
  }

  /// A tensor of ones.
  public static func ones(
    _ shape: [Int], dtype: DType = .f32, on device: TorchDevice = .cpu
  ) throws(TinctureError) -> TorchTensor {
    try full(shape, 1, dtype: dtype, on: device)
  }

  /// The integers of a range as a vector.
  public static func range(
    _ range: Range<Int>, on device: TorchDevice = .cpu
  ) throws(TinctureError) -> TorchTensor {
    try TorchTensor(Array(range), on: device)
  }

  /// A tensor with undefined elements, to be filled before anybody sees it.
  static func empty(
    _ shape: [Int], dtype: DType, on device: TorchDevice = .cpu
  ) throws(TinctureError) -> TorchTensor {
    try LibTorch.current().call(
      "aten::empty", "memory_format", .ints(shape), .some(.dtype(dtype)), .none,
      .some(.device(device)), .none, .none)
  }

  private static func check(
    byteCount: Int, shape: [Int], dtype: DType
  ) throws(TinctureError) {
    guard let needed = Shape(shape)?.byteCount(of: dtype), needed == byteCount else {
      throw TinctureError(
        .engine, "\(byteCount) bytes cannot be a tensor \(dtype.rawValue.lowercased())\(shape).")
    }
  }
}
