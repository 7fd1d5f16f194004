import TinctureTensors

extension PickleMachine {
  /// What a call of an allowed class or function makes.
  mutating func result(of global: PickleGlobal, arguments: [PickleValue]) throws(TinctureError)
    -> PickleValue
  {
    switch global {
    case .dictionaryClass:
      switch arguments.last {
      case .list(let index), .tuple(let index):
        return try dictionary(ofPairs: heap.sequences[index])
      case .dictionary(let index): return .dictionary(index)
      default: return .dictionary(heap.add(PickleDictionary()))
      }
    case .sizeClass:
      switch arguments.first {
      case .tuple(let index), .list(let index): return .tuple(index)
      default: return .tuple(heap.add([]))
      }
    case .tensorOfStorage: return try tensor(arguments, typeIndex: nil)
    case .tensorOfUntypedStorage: return try tensor(arguments, typeIndex: 6)
    case .parameter:
      guard case .tensor(let index) = arguments.first else {
        throw failure("The pickle makes a parameter of something that is no tensor.")
      }
      return .tensor(index)
    case .tensorOfSubclass: return try tensorOfSubclass(arguments)
    case .harmless: return .opaque
    case .elementType, .storageClass:
      throw failure("The pickle calls an element type, which is no function; it is damaged.")
    }
  }

  private mutating func tensorOfSubclass(_ arguments: [PickleValue]) throws(TinctureError)
    -> PickleValue
  {
    guard arguments.count >= 3, case .global(let rebuild) = arguments[0],
      case .tuple(let index) = arguments[2], rebuild != .tensorOfSubclass
    else { throw failure("The pickle makes a tensor of a subclass in an unknown way.") }
    return try result(of: rebuild, arguments: heap.sequences[index])
  }

  private mutating func tensor(_ arguments: [PickleValue], typeIndex: Int?)
    throws(TinctureError) -> PickleValue
  {
    guard arguments.count >= max(4, (typeIndex ?? 0) + 1), arguments.count <= 16 else {
      throw failure("The pickle makes a tensor of \(arguments.count) arguments; it is damaged.")
    }
    guard case .storage(let storage) = arguments[0] else {
      throw failure("The pickle makes a tensor of \(arguments[0].kind); a storage was expected.")
    }
    guard case .integer(let offset) = arguments[1] else {
      throw failure(
        "The pickle places a tensor at \(arguments[1].kind); an integer of 64 bits was expected.")
    }
    for sequence in arguments[2...3] where heap.items(of: sequence) == nil {
      throw failure("The pickle gives a tensor \(sequence.kind) as its shape or strides.")
    }
    var type: PickleElementType?
    if let typeIndex {
      guard case .global(.elementType(let stated)) = arguments[typeIndex] else {
        throw failure("The pickle gives a tensor \(arguments[typeIndex].kind) as its type.")
      }
      type = stated
    }
    let metadataIndex = (typeIndex ?? 5) + 1
    heap.tensors.append(
      PickleTensor(
        storage: storage, offset: offset, extents: arguments[2], strides: arguments[3], type: type,
        isLazilyNegated: metadataIndex < arguments.count
          ? try isLazilyNegated(arguments[metadataIndex]) : false, position: instruction))
    return .tensor(heap.tensors.count - 1)
  }

  /// Whether the metadata of a tensor say that its values are not what is stored.
  private func isLazilyNegated(_ metadata: PickleValue) throws(TinctureError) -> Bool {
    guard case .dictionary(let index) = metadata else { return false }
    let entries = heap.dictionaries[index].entries
    guard entries.count <= 16 else {
      throw failure("The pickle gives a tensor \(entries.count) remarks; at most 16 are read.")
    }
    return entries.contains { entry in
      if case .text(let name) = entry.key, case .bool(true) = entry.value {
        name == "neg" || name == "conj"
      } else {
        false
      }
    }
  }

  /// The storage that a persistent identifier names.
  mutating func storage(for identifier: PickleValue) throws(TinctureError) -> PickleValue {
    guard case .tuple(let index) = identifier, heap.sequences[index].count >= 5,
      case .text(let purpose) = heap.sequences[index][0]
    else { throw failure("The pickle names a storage by \(identifier.kind) of no known form.") }
    let items = heap.sequences[index]
    guard purpose == "storage" else {
      throw failure(
        "The pickle refers to the \(purpose) of a program instead of a storage; save only the"
          + " state_dict() of the model.")
    }
    guard case .global(.storageClass(let type)) = items[1], case .text(let key) = items[2],
      case .integer(let count) = items[4]
    else { throw failure("The pickle describes a storage in an unknown way; it is damaged.") }
    guard count >= 0 else {
      throw failure("The storage \"\(key)\" claims \(count) elements; it is damaged.")
    }
    let view = items.count > 5 ? try view(items[5], of: key, count: count) : nil
    guard type != .untyped || view == nil else {
      throw failure("The storage \"\(key)\" is a view of bytes without a type; save it again.")
    }
    try checkObjectCount()
    heap.storages.append(
      PickleStorage(key: key, type: type, count: count, view: view, position: instruction))
    return .storage(heap.storages.count - 1)
  }

  /// The part of a storage that is meant; nothing but old files has one.
  private func view(_ description: PickleValue, of key: String, count: Int)
    throws(TinctureError) -> Range<Int>?
  {
    if case .none = description { return nil }
    guard let items = heap.items(of: description), items.count == 3,
      case .integer(let offset) = items[1], case .integer(let length) = items[2],
      offset >= 0, length >= 0, offset <= count, length <= count - offset
    else { throw failure("The view of the storage \"\(key)\" lies outside of it.") }
    return offset..<offset + length
  }
}
