import Synchronization
public import TinctureTensors

/// A tensor of LibTorch with the meaning of a value.
///
/// Operators return new tensors and never change their operands. Views (a transposed tensor, a slice) and
/// copies of the Swift value share memory, which cannot be observed, because nothing writes to it. Memory
/// is freed when the last tensor that uses it goes away; with gradients, the results of operators keep
/// the operands that the derivative needs.
public struct TorchTensor: Sendable {
  let handle: TorchHandle

  init(_ handle: TorchHandle) {
    self.handle = handle
  }

  /// Takes over a handle that a call returned.
  init(adopting word: UInt64, of library: LibTorch, _ name: StaticString) throws(TinctureError) {
    try self.init(adopting: LibTorch.pointer(word), of: library, name)
  }

  /// Takes over a handle that a function returned.
  init(
    adopting pointer: OpaquePointer?, of library: LibTorch, _ name: StaticString
  ) throws(TinctureError) {
    guard let pointer else {
      throw TinctureError(.engine, "\(name) returned no tensor: \(library.lastMessage)")
    }
    handle = TorchHandle(pointer, of: library)
  }

  /// The library that made the tensor.
  var library: LibTorch { handle.library }

  /// The extents, outermost first; empty for a single number.
  public var shape: [Int] {
    var rank: Int64 = 0
    var extents: UnsafeMutablePointer<Int64>?
    guard library.functions.axisCount(handle.pointer, &rank) == 0,
      library.functions.extents(handle.pointer, &extents) == 0, let extents
    else { return [] }
    return (0..<Int(rank)).map { Int(extents[$0]) }
  }

  /// The number of axes.
  public var rank: Int {
    var rank: Int64 = 0
    _ = library.functions.axisCount(handle.pointer, &rank)
    return Int(rank)
  }

  /// The number of elements.
  public var elementCount: Int { shape.reduce(1, *) }

  /// The type of the elements, or nil for one that only LibTorch knows.
  public var dtype: DType? {
    var code: Int32 = -1
    _ = library.functions.dtype(handle.pointer, &code)
    return library.codes.dtype(code)
  }

  /// Where the tensor lies.
  public var device: TorchDevice {
    var code: Int32 = 0
    var index: Int32 = 0
    _ = library.functions.deviceType(handle.pointer, &code)
    _ = library.functions.deviceIndex(handle.pointer, &index)
    return TorchDevice(library.codes.kind(code) ?? .cpu, index: Int(Swift.max(0, index)))
  }

  /// The dtype and shape in a few characters: `f32[2, 3]`.
  public var summary: String {
    "\(dtype.map { $0.rawValue.lowercased() } ?? "?")\(shape)"
  }

  /// Whether two values are one and the same result of an operator, and not only equal.
  public func isSame(as other: TorchTensor) -> Bool { handle === other.handle }

  /// The number of handles that exist in this process, for tests of leaks.
  package static var liveHandles: Int { TorchHandle.live.load(ordering: .relaxed) }
}

extension TorchTensor: CustomStringConvertible {
  /// The dtype, the shape and the device.
  public var description: String { "TorchTensor \(summary) on \(device)" }
}

/// The owner of one handle of LibTorch.
///
/// `@unchecked Sendable`: the pointer never changes, LibTorch lets any thread use a tensor that nobody
/// writes to, and only memory that no other tensor shares is written to.
final class TorchHandle: @unchecked Sendable {
  let pointer: OpaquePointer
  let library: LibTorch

  static let live = Atomic<Int>(0)

  init(_ pointer: OpaquePointer, of library: LibTorch) {
    self.pointer = pointer
    self.library = library
    Self.live.add(1, ordering: .relaxed)
  }

  deinit {
    _ = library.functions.deleteHandle(pointer)
    Self.live.subtract(1, ordering: .relaxed)
  }
}
