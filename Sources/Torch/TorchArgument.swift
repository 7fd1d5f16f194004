import TinctureTensors

/// One argument of an operator of LibTorch.
///
/// A call takes a list of 64-bit words. Numbers stand there by their bits; tensors, lists and strings as
/// handles that the call takes over; an optional value as 0 or the address of a heap word that the call
/// frees.
enum TorchArgument {
  case tensor(TorchTensor)
  case int(Int)
  case double(Double)
  case bool(Bool)
  case text(String)
  case dtype(DType)
  case device(TorchDevice)
  case ints([Int])
  case tensors([TorchTensor])
  case optionalTensors([TorchTensor?])
  case none
  indirect case some(TorchArgument)

  static func optional(_ tensor: TorchTensor?) -> TorchArgument {
    tensor.map { .some(.tensor($0)) } ?? .none
  }

  static func optional(_ number: Int?) -> TorchArgument { number.map { .some(.int($0)) } ?? .none }

  static func optional(_ number: Double?) -> TorchArgument {
    number.map { .some(.double($0)) } ?? .none
  }

  static func optional(_ numbers: [Int]?) -> TorchArgument {
    numbers.map { .some(.ints($0)) } ?? .none
  }

  static func optional(_ dtype: DType?) -> TorchArgument {
    dtype.map { .some(.dtype($0)) } ?? .none
  }

  /// The tensors in an argument, for messages.
  var tensors: [TorchTensor] {
    switch self {
    case .tensor(let tensor): [tensor]
    case .tensors(let tensors): tensors
    case .optionalTensors(let tensors): tensors.compactMap { $0 }
    case .some(let argument): argument.tensors
    default: []
    }
  }
}

extension LibTorch {
  /// Turns an argument into the word that a call takes.
  ///
  /// What the word owns must be given to a call or to ``release(_:_:)``.
  func word(_ argument: TorchArgument) throws(TinctureError) -> UInt64 {
    switch argument {
    case .tensor(let tensor): return Self.bits(try newHandle(tensor.handle.pointer))
    case .int(let number): return UInt64(bitPattern: Int64(number))
    case .double(let number): return number.bitPattern
    case .bool(let flag): return flag ? 1 : 0
    case .text(let text): return try string(text)
    case .dtype(let dtype): return UInt64(UInt32(bitPattern: try codes.code(dtype)))
    case .device(let device):
      return UInt64(UInt32(bitPattern: codes.code(device.kind))) << 32
        | UInt64(UInt32(bitPattern: device.torchIndex))
    case .ints(let numbers):
      return try list(of: numbers.count) { .int(numbers[$0]) }
    case .tensors(let tensors):
      return try list(of: tensors.count) { .tensor(tensors[$0]) }
    case .optionalTensors(let tensors):
      return try list(of: tensors.count) { .optional(tensors[$0]) }
    case .none: return 0
    case .some(let argument):
      let value = try word(argument)
      guard let cell = newCell() else {
        release(argument, value)
        throw TinctureError(.engine, "LibTorch gave no memory for an optional argument.")
      }
      cell.pointee = value
      return UInt64(UInt(bitPattern: cell))
    }
  }

  /// Frees what a word owns that no call has taken over.
  func release(_ argument: TorchArgument, _ word: UInt64) {
    guard word != 0 else { return }
    switch argument {
    case .tensor: Self.pointer(word).map { _ = functions.deleteHandle($0) }
    case .text: Self.pointer(word).map { _ = functions.deleteString($0) }
    case .ints: Self.pointer(word).map { _ = functions.deleteList($0) }
    case .tensors(let tensors):
      releaseList(word, of: tensors.count) { .tensor(tensors[$0]) }
    case .optionalTensors(let tensors):
      releaseList(word, of: tensors.count) { .optional(tensors[$0]) }
    case .some(let argument):
      guard let cell = UnsafeMutablePointer<UInt64>(bitPattern: UInt(word)) else { return }
      release(argument, cell.pointee)
      deleteCell(cell)
    case .int, .double, .bool, .dtype, .device, .none: break
    }
  }

  /// Another handle of a tensor.
  func newHandle(_ handle: OpaquePointer) throws(TinctureError) -> OpaquePointer {
    var copy: OpaquePointer?
    guard functions.newHandle(handle, &copy) == 0, let copy else {
      throw TinctureError(.engine, "LibTorch gave no handle: \(lastMessage).")
    }
    return copy
  }

  private func string(_ text: String) throws(TinctureError) -> UInt64 {
    var handle: OpaquePointer?
    let status = text.withCString { functions.newString($0, text.utf8.count, &handle) }
    guard status == 0, let handle else {
      throw TinctureError(.engine, "LibTorch gave no string: \(lastMessage).")
    }
    return Self.bits(handle)
  }

  private func list(
    of count: Int, _ element: (Int) -> TorchArgument
  ) throws(TinctureError) -> UInt64 {
    var handle: OpaquePointer?
    guard functions.newList(count, &handle) == 0, let handle else {
      throw TinctureError(.engine, "LibTorch gave no list: \(lastMessage).")
    }
    for index in 0..<count {
      do throws(TinctureError) {
        let value = try word(element(index))
        guard functions.listAppend(handle, value) == 0 else {
          release(element(index), value)
          throw TinctureError(.engine, "LibTorch took no element into a list: \(lastMessage).")
        }
      } catch {
        releaseList(Self.bits(handle), of: index, element)
        throw error
      }
    }
    return Self.bits(handle)
  }

  private func releaseList(_ word: UInt64, of count: Int, _ element: (Int) -> TorchArgument) {
    guard let list = Self.pointer(word) else { return }
    for index in 0..<count {
      var value: UInt64 = 0
      if functions.listItem(list, index, &value) == 0 { release(element(index), value) }
    }
    _ = functions.deleteList(list)
  }

  private func newCell() -> UnsafeMutablePointer<UInt64>? {
    guard let newWord = functions.newWord else {
      return functions.allocate(MemoryLayout<UInt64>.size)?.bindMemory(to: UInt64.self, capacity: 1)
    }
    var cell: UnsafeMutablePointer<UInt64>?
    return newWord(&cell) == 0 ? cell : nil
  }

  func deleteCell(_ cell: UnsafeMutablePointer<UInt64>) {
    if let deleteWord = functions.deleteWord {
      _ = deleteWord(cell)
    } else {
      functions.deallocate(cell)
    }
  }

  static func bits(_ pointer: OpaquePointer) -> UInt64 { UInt64(UInt(bitPattern: pointer)) }

  static func pointer(_ word: UInt64) -> OpaquePointer? { OpaquePointer(bitPattern: UInt(word)) }
}
