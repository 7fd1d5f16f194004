import SystemPackage
import TinctureSafetensors
import TinctureTensors

/// Turns descriptions of tensors into places in the file, and checks that they lie in their storage.
struct TensorPlacement {
  private static let rankLimit = 16
  /// A tensor that repeats its elements may not grow beyond this, in bytes.
  private static let expansionLimit = 1 << 30

  /// The checkpoint, for messages.
  let file: InputFile
  /// Everything the pickle made.
  let heap: PickleHeap

  /// Places a tensor.
  ///
  /// - Parameters:
  ///   - tensor: The description.
  ///   - name: Its name.
  ///   - region: The bytes of its storage in the file.
  /// - Returns: The tensor with its place in the file.
  /// - Throws: `checkpoint` when an element lies outside the storage or the description is wrong.
  func place(_ tensor: PickleTensor, named name: String, in region: Range<Int>)
    throws(TinctureError) -> StoredTensor
  {
    func failure(_ message: String) -> TinctureError {
      file.failure(message, at: tensor.position, tensor: name)
    }
    guard !tensor.isLazilyNegated else {
      throw failure(
        "The tensor is a conjugated or negated view; call resolve_conj().resolve_neg() before"
          + " saving it.")
    }
    let storage = heap.storages[tensor.storage]
    let dtype = try elementType(of: tensor, named: name)
    let storageCount = try self.storageCount(of: storage, dtype, in: region, failure: failure)

    let extents = try integers(tensor.extents, failure: failure)
    let strides = try integers(tensor.strides, failure: failure)
    guard extents.count <= Self.rankLimit else {
      throw failure("The tensor has \(extents.count) axes; at most \(Self.rankLimit) are read.")
    }
    guard extents.count == strides.count else {
      throw failure("The tensor has \(extents.count) extents but \(strides.count) strides.")
    }
    guard let shape = Shape(extents), let byteCount = shape.byteCount(of: dtype) else {
      throw failure("The shape \(extents) has a negative extent or too many elements.")
    }
    guard strides.allSatisfy({ $0 >= 0 }) else {
      throw failure("The tensor has a negative stride in \(strides).")
    }
    guard tensor.offset >= 0 else {
      throw failure("The tensor starts at element \(tensor.offset) of its storage.")
    }
    guard shape.elementCount > 0 else {
      return StoredTensor(name: name, dtype: dtype, shape: shape, byteOffset: region.lowerBound)
    }
    guard let last = lastElement(from: tensor.offset, shape, strides), last < storageCount else {
      throw failure(
        "The tensor of shape \(shape) with strides \(strides) from element \(tensor.offset) on"
          + " reaches beyond its storage of \(storageCount) elements.")
    }
    guard shape.elementCount <= storageCount || byteCount <= Self.expansionLimit else {
      throw failure(
        "The tensor repeats \(storageCount) stored elements to fill \(byteCount) bytes; at most"
          + " \(Self.expansionLimit) are accepted.")
    }
    let width = dtype.bitWidth / 8
    let first = region.lowerBound + ((storage.view?.lowerBound ?? 0) + tensor.offset) * width
    return StoredTensor(
      name: name, dtype: dtype, shape: shape, byteOffset: first,
      strides: significantStrides(shape, strides))
  }

  /// The type that the tensor states or that its storage has.
  func elementType(of tensor: PickleTensor, named name: String) throws(TinctureError) -> DType {
    let storage = heap.storages[tensor.storage]
    switch (tensor.type, storage.type) {
    case (.known(let dtype), .known(let stored)) where dtype != stored:
      throw file.failure(
        "The tensor has the type \(dtype.rawValue) but its storage has \(stored.rawValue).",
        at: tensor.position, tensor: name)
    case (.known(let dtype), _), (nil, .known(let dtype)): return dtype
    case (.unsupported(let type), _), (nil, .unsupported(let type)):
      throw file.failure(
        "Tensors of the type \(type) are not supported; remove the tensor or convert it.",
        at: tensor.position, tensor: name)
    case (.untyped, _), (nil, .untyped):
      throw file.failure(
        "The tensor lies in a storage without a type and states none.", at: tensor.position,
        tensor: name)
    }
  }

  /// The number of elements of the storage that the tensor may see.
  private func storageCount(
    of storage: PickleStorage, _ dtype: DType, in region: Range<Int>,
    failure: (String) -> TinctureError
  ) throws(TinctureError) -> Int {
    let width = storage.type == .untyped ? 1 : dtype.bitWidth / 8
    let (size, overflow) = storage.count.multipliedReportingOverflow(by: width)
    guard !overflow, size <= region.count else {
      throw failure(
        "The storage \"\(storage.key)\" claims \(storage.count) elements of \(width) bytes, but the"
          + " file holds \(region.count) bytes of it.")
    }
    let seen = storage.view?.count ?? storage.count
    return storage.type == .untyped ? seen / (dtype.bitWidth / 8) : seen
  }

  private func integers(_ value: PickleValue, failure: (String) -> TinctureError)
    throws(TinctureError) -> [Int]
  {
    var result: [Int] = []
    for item in (heap.items(of: value) ?? []).prefix(Self.rankLimit + 1) {
      guard case .integer(let number) = item else {
        throw failure(
          "The shape or strides of the tensor hold \(item.kind); integers of 64 bits were expected."
        )
      }
      result.append(number)
    }
    return result
  }

  /// The place of the farthest element in the storage, or nil when it overflows.
  private func lastElement(from offset: Int, _ shape: Shape, _ strides: [Int]) -> Int? {
    var last = offset
    for (extent, stride) in zip(shape.extents, strides) {
      let (distance, overflow) = (extent - 1).multipliedReportingOverflow(by: stride)
      let (sum, sumOverflow) = last.addingReportingOverflow(distance)
      guard !overflow, !sumOverflow else { return nil }
      last = sum
    }
    return last
  }

  /// The strides, or nil for row-major order.
  ///
  /// Axes of extent one get the stride zero.
  private func significantStrides(_ shape: Shape, _ strides: [Int]) -> [Int]? {
    var expected = 1
    var isContiguous = true
    for (extent, stride) in zip(shape.extents, strides).reversed() where extent > 1 {
      if stride != expected { isContiguous = false }
      expected *= extent
    }
    guard !isContiguous else { return nil }
    return zip(shape.extents, strides).map { extent, stride in extent > 1 ? stride : 0 }
  }
}
