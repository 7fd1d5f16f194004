import TinctureJSON
import TinctureTensors

/// A value that a pickle can make.
///
/// Containers are indices into a `PickleHeap`, so sharing and cycles cost nothing and nothing is
/// ever freed recursively.
enum PickleValue: Sendable {
  case none
  case bool(Bool)
  case integer(Int)
  /// An integer of more than 64 bits, in little-endian two's complement.
  case longInteger([UInt8])
  case text(String)
  /// A value that no tensor needs: a float, bytes, a device, a random state.
  case opaque
  case tuple(Int)
  case list(Int)
  case set(Int)
  case dictionary(Int)
  case global(PickleGlobal)
  case storage(Int)
  case tensor(Int)

  /// What the value is, in words for messages.
  var kind: String {
    switch self {
    case .none: "None"
    case .bool: "a truth value"
    case .integer, .longInteger: "an integer"
    case .text: "a text"
    case .opaque: "an object other than a tensor"
    case .tuple: "a tuple"
    case .list: "a list"
    case .set: "a set"
    case .dictionary: "a dictionary"
    case .global: "a class or function"
    case .storage: "a storage"
    case .tensor: "a tensor"
    }
  }
}

/// A dictionary in the order of insertion; an equal key replaces the value and keeps its place.
struct PickleDictionary: Sendable {
  private enum Key: Hashable {
    case text(ExactString)
    case integer(Int)
  }

  /// The keys and values in order.
  private(set) var entries: [(key: PickleValue, value: PickleValue)] = []
  private var indices: [Key: Int] = [:]

  /// Sets the value of a key.
  mutating func set(_ key: PickleValue, to value: PickleValue) {
    let identity: Key
    switch key {
    case .text(let text): identity = .text(ExactString(text))
    case .integer(let number): identity = .integer(number)
    default:
      entries.append((key, value))
      return
    }
    if let index = indices[identity] {
      entries[index].value = value
    } else {
      indices[identity] = entries.count
      entries.append((key, value))
    }
  }
}

/// A block of memory that tensors look into, as the pickle names it.
struct PickleStorage: Sendable {
  /// The name under which its bytes are stored.
  let key: String
  /// The type of its elements.
  let type: PickleElementType
  /// The number of its elements; bytes when it is untyped.
  let count: Int
  /// The part of it that is seen, in elements; old files store views of storages.
  let view: Range<Int>?
  /// Where the pickle makes it, as a position in the file.
  let position: Int
}

/// A tensor as the pickle describes it, not checked yet.
struct PickleTensor: Sendable {
  /// The index of the storage.
  let storage: Int
  /// The place of the first element in the storage, in elements.
  let offset: Int
  /// A sequence of the extents.
  let extents: PickleValue
  /// A sequence of the distances between neighbours, in elements.
  let strides: PickleValue
  /// The type that newer files state; nil when the storage decides.
  let type: PickleElementType?
  /// Whether the stored values are conjugated or negated when read.
  let isLazilyNegated: Bool
  /// Where the pickle makes it, as a position in the file.
  let position: Int
}

/// The type of the elements of a storage or tensor.
enum PickleElementType: Sendable, Hashable {
  case known(DType)
  /// Bytes; the tensor says what they are.
  case untyped
  /// A type that no checkpoint of weights uses, by its name.
  case unsupported(String)
}

/// Everything a pickle made.
struct PickleHeap: Sendable {
  /// The most containers, storages and tensors that are made.
  static let objectLimit = 1 << 24

  /// The items of tuples, lists and sets.
  var sequences: [[PickleValue]] = []
  var dictionaries: [PickleDictionary] = []
  var storages: [PickleStorage] = []
  var tensors: [PickleTensor] = []

  /// The number of containers, storages and tensors.
  var objectCount: Int {
    sequences.count + dictionaries.count + storages.count + tensors.count
  }

  /// The items of a tuple, list or set; nil for other values.
  func items(of value: PickleValue) -> [PickleValue]? {
    switch value {
    case .tuple(let index), .list(let index), .set(let index): sequences[index]
    default: nil
    }
  }

  /// Adds the items of a tuple, list or set and returns their index.
  mutating func add(_ items: [PickleValue]) -> Int {
    sequences.append(items)
    return sequences.count - 1
  }

  /// Adds a dictionary and returns its index.
  mutating func add(_ dictionary: PickleDictionary) -> Int {
    dictionaries.append(dictionary)
    return dictionaries.count - 1
  }
}
