internal import TinctureTensors

/// The state of zlib while it unpacks.
///
/// zlib keeps a pointer to the state, so that it lies in memory of its own; `end` frees it.
struct InflateStream {
  /// What one step did.
  struct Step {
    /// How many packed bytes it used.
    var used: Int
    /// The bytes it unpacked.
    var output: [UInt8]
    /// Whether the data end there.
    var isEnd: Bool
  }

  /// The layout of zlib's `z_stream` where pointers and `long` have eight bytes.
  private enum Offset {
    static let nextInput = 0
    static let inputCount = 8
    static let nextOutput = 24
    static let outputCount = 32
    static let size = 112
  }

  private let zlib: Zlib
  private let state: UnsafeMutableRawPointer

  /// Starts to unpack.
  ///
  /// - Throws: `missingFacility` without zlib, `engine` when it refuses.
  init(_ wrapping: CompressedRange.Wrapping) throws(TinctureError) {
    zlib = try Zlib.shared
    state = .allocate(byteCount: Offset.size, alignment: 8)
    state.initializeMemory(as: UInt8.self, repeating: 0, count: Offset.size)
    guard zlib.initialize(state, wrapping.rawValue, "1.2.11", Int32(Offset.size)) == 0 else {
      state.deallocate()
      throw TinctureError(.engine, "zlib cannot start; install the usual one: apt install zlib1g")
    }
  }

  /// Unpacks some bytes.
  ///
  /// - Parameters:
  ///   - input: Packed bytes; not all of them need be used.
  ///   - room: How many bytes may be unpacked.
  /// - Returns: What was done, or nil when the data are damaged.
  func step(_ input: ArraySlice<UInt8>, room: Int) -> Step? {
    var status: Int32 = 0
    var used = 0
    let output = [UInt8](unsafeUninitializedCapacity: room) { buffer, count in
      input.withUnsafeBytes { packed in
        state.storeBytes(
          of: packed.baseAddress, toByteOffset: Offset.nextInput, as: UnsafeRawPointer?.self)
        state.storeBytes(
          of: UInt32(packed.count), toByteOffset: Offset.inputCount, as: UInt32.self)
        state.storeBytes(
          of: buffer.baseAddress, toByteOffset: Offset.nextOutput,
          as: UnsafeMutablePointer<UInt8>?.self)
        state.storeBytes(of: UInt32(room), toByteOffset: Offset.outputCount, as: UInt32.self)
        status = zlib.inflate(state, 0)
        used =
          packed.count
          - Int(state.load(fromByteOffset: Offset.inputCount, as: UInt32.self))
        count = room - Int(state.load(fromByteOffset: Offset.outputCount, as: UInt32.self))
      }
    }
    switch status {
    case 0: return Step(used: used, output: output, isEnd: false)
    case 1: return Step(used: used, output: output, isEnd: true)
    // Nothing could be done without more input.
    case -5: return Step(used: used, output: output, isEnd: false)
    default: return nil
    }
  }

  /// Frees the state.
  func end() {
    _ = zlib.end(state)
    state.deallocate()
  }
}
