import SystemPackage
import TinctureSafetensors
import TinctureTensors

/// Carries out the instructions of a pickle without running any code that it names.
///
/// The machine makes containers, numbers, texts and descriptions of tensors. Each instruction makes
/// at most one value, so memory is linear in the bytes of the pickle.
struct PickleMachine {
  /// Where the pickle is read from; after `run` it stands behind the pickle.
  private(set) var reader: PickleReader
  /// Everything made so far.
  var heap = PickleHeap()
  /// The position of the instruction that is carried out, for messages.
  private(set) var instruction: Int
  /// The values at hand, the newest last.
  var stack: [PickleValue] = []
  private var marks: [Int] = []
  private var memo: [Int: PickleValue] = [:]
  /// The position of the first instruction.
  let start: Int
  /// The number of values that were copied from one container to another.
  var copied = 0

  /// Creates a machine that starts where the reader stands.
  init(_ reader: PickleReader) {
    self.reader = reader
    start = reader.position
    instruction = reader.position
  }

  /// Carries out all instructions and returns the value that the pickle describes.
  ///
  /// - Throws: `checkpoint` when the pickle is damaged or asks for anything but tensors.
  /// - Complexity: O(n) for n bytes.
  mutating func run() throws(TinctureError) -> PickleValue {
    while true {
      instruction = reader.position
      let byte = try reader.byte()
      guard let opcode = PickleOpcode(rawValue: byte) else {
        throw failure(
          "The pickle holds the byte 0x\(String(byte, radix: 16)), which is no instruction that a"
            + " checkpoint uses; the file is damaged or made by another program.")
      }
      if opcode == .stop { return try pop() }
      try perform(opcode)
    }
  }

  /// A failure at the current instruction.
  func failure(_ message: String) -> TinctureError { reader.failure(message, at: instruction) }

  private mutating func perform(_ opcode: PickleOpcode) throws(TinctureError) {
    switch opcode {
    case .stop: break
    case .proto:
      let version = try reader.byte()
      guard version <= 5 else {
        throw failure("The pickle has protocol \(version); protocols up to 5 are read.")
      }
    case .frame: _ = try reader.length(8)
    case .mark: marks.append(stack.count)
    case .pop:
      if let mark = marks.last, mark == stack.count {
        marks.removeLast()
      } else {
        _ = try pop()
      }
    case .popMark: _ = try popToMark()
    case .duplicate:
      let value = try pop()
      stack += [value, value]

    case .get, .binaryGet, .longBinaryGet: try recall(memoIndex(opcode))
    case .put, .binaryPut, .longBinaryPut: memo[try memoIndex(opcode)] = try top()
    case .memoize: memo[memo.count] = try top()

    case .emptyTuple: try pushTuple([])
    case .tuple: try pushTuple(popToMark())
    case .tuple1: try pushTuple(pop(count: 1))
    case .tuple2: try pushTuple(pop(count: 2))
    case .tuple3: try pushTuple(pop(count: 3))
    case .emptyList: try pushList([])
    case .list: try pushList(popToMark())
    case .emptySet: try pushSet([])
    case .frozenSet: try pushSet(popToMark())
    case .emptyDictionary: try pushDictionary(PickleDictionary())
    case .dictionary:
      let items = try popToMark()
      try pushDictionary(PickleDictionary())
      try setItems(items)

    case .append: try append(pop(count: 1))
    case .appends, .addItems: try append(popToMark())
    case .setItem: try setItems(pop(count: 2))
    case .setItems: try setItems(popToMark())

    case .global, .stackGlobal: stack.append(.global(try readGlobal(opcode)))
    case .newObjectKeywords:
      _ = try pop()
      try call()
    case .reduce, .newObject: try call()
    case .build: try build()
    case .binaryPersistentID: stack.append(try storage(for: pop()))

    default: stack.append(try PickleLiteral.read(opcode, from: &reader))
    }
  }
}

// MARK: - The stack and the memo

extension PickleMachine {
  private mutating func pop() throws(TinctureError) -> PickleValue {
    guard stack.count > marks.last ?? 0, let value = stack.popLast() else { throw underflow() }
    return value
  }

  private mutating func pop(count: Int) throws(TinctureError) -> [PickleValue] {
    guard stack.count - (marks.last ?? 0) >= count else { throw underflow() }
    defer { stack.removeLast(count) }
    return Array(stack.suffix(count))
  }

  private mutating func popToMark() throws(TinctureError) -> [PickleValue] {
    guard let mark = marks.popLast() else {
      throw failure("The pickle closes a group that it never opened; it is damaged.")
    }
    defer { stack.removeSubrange(mark...) }
    return Array(stack[mark...])
  }

  func top() throws(TinctureError) -> PickleValue {
    guard stack.count > marks.last ?? 0, let value = stack.last else { throw underflow() }
    return value
  }

  private func underflow() -> TinctureError {
    failure("The pickle takes a value from an empty stack; it is damaged.")
  }

  private mutating func memoIndex(_ opcode: PickleOpcode) throws(TinctureError) -> Int {
    switch opcode {
    case .binaryGet, .binaryPut: return Int(try reader.byte())
    case .longBinaryGet, .longBinaryPut: return Int(try reader.number(4))
    default:
      let line = String(decoding: try reader.line(), as: UTF8.self)
      guard let index = Int(line), index >= 0 else {
        throw failure("The pickle uses the memo entry \"\(line)\", which is no number.")
      }
      return index
    }
  }

  private mutating func recall(_ index: Int) throws(TinctureError) {
    guard let value = memo[index] else {
      throw failure("The pickle recalls the memo entry \(index), which was never set.")
    }
    stack.append(value)
  }
}

// MARK: - Names and calls

extension PickleMachine {
  private mutating func readGlobal(_ opcode: PickleOpcode) throws(TinctureError) -> PickleGlobal {
    let module: String
    let name: String
    if opcode == .global {
      module = String(decoding: try reader.line(), as: UTF8.self)
      name = String(decoding: try reader.line(), as: UTF8.self)
    } else {
      let parts = try pop(count: 2)
      guard case .text(let first) = parts[0], case .text(let second) = parts[1] else {
        throw failure("The pickle names a class by \(parts[1].kind); a text was expected.")
      }
      module = first
      name = second
    }
    guard let global = PickleGlobal(module: module, name: name) else {
      throw failure(
        "The pickle asks for '\(module).\(name)'; loading it would run code, so it is refused. Save"
          + " only the state_dict() of the model, or convert the file to safetensors.")
    }
    return global
  }

  private mutating func call() throws(TinctureError) {
    let parts = try pop(count: 2)
    guard case .tuple(let arguments) = parts[1] else {
      throw failure("The pickle calls with \(parts[1].kind); a tuple was expected.")
    }
    guard case .global(let global) = parts[0] else {
      throw failure("The pickle calls \(parts[0].kind), which is no function; it is damaged.")
    }
    try checkObjectCount()
    stack.append(try result(of: global, arguments: heap.sequences[arguments]))
  }

  /// Drops the state of an object: hooks, metadata and attributes are no weights.
  private mutating func build() throws(TinctureError) {
    _ = try pop()
    switch try top() {
    case .opaque, .dictionary, .list, .set, .tensor: break
    case let target: throw failure("The pickle sets attributes of \(target.kind); it is damaged.")
    }
  }
}
