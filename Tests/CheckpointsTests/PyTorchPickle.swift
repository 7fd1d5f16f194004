/// Assembles pickles by hand.
enum PyTorchPickle {
  /// A pickle of protocol 2 around the instructions of one value.
  static func document(_ value: [UInt8]) -> [UInt8] { [0x80, 2] + value + ascii(".") }

  /// The bytes of a text.
  static func ascii(_ text: String) -> [UInt8] { Array(text.utf8) }

  /// A text.
  static func text(_ text: String) -> [UInt8] {
    ascii("X") + PyTorchZip.number(text.utf8.count, 4) + ascii(text)
  }

  /// An integer of up to 64 bits.
  static func integer(_ value: Int) -> [UInt8] { [0x8A, 8] + PyTorchZip.number(value, 8) }

  /// A class or function.
  static func global(_ module: String, _ name: String) -> [UInt8] {
    ascii("c\(module)\n\(name)\n")
  }

  /// A tuple.
  static func tuple(_ items: [[UInt8]]) -> [UInt8] { ascii("(") + items.joined() + ascii("t") }

  /// A call.
  static func call(_ module: String, _ name: String, _ arguments: [[UInt8]]) -> [UInt8] {
    global(module, name) + tuple(arguments) + ascii("R")
  }

  /// A dictionary.
  static func dictionary(_ members: [([UInt8], [UInt8])]) -> [UInt8] {
    ascii("}(") + members.flatMap { $0.0 + $0.1 } + ascii("u")
  }

  /// A storage.
  static func storage(
    type: [UInt8] = global("torch", "FloatStorage"), key: String = "0", count: [UInt8] = integer(4)
  ) -> [UInt8] {
    tuple([text("storage"), type, text(key), text("cpu"), count]) + ascii("Q")
  }

  /// A tensor of the second version.
  static func tensor(
    storage: [UInt8] = storage(), offset: [UInt8] = integer(0), extents: [Int] = [4],
    strides: [Int] = [1], more: [[UInt8]] = []
  ) -> [UInt8] {
    call(
      "torch._utils", "_rebuild_tensor_v2",
      [
        storage, offset, tuple(extents.map(integer)), tuple(strides.map(integer)), [0x89],
        ascii("N"),
      ] + more)
  }

  /// The pickle of a state dictionary with the tensor `w`.
  static func state(_ tensor: [UInt8]) -> [UInt8] { document(dictionary([(text("w"), tensor)])) }
}
