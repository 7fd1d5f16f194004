import TinctureTensors

extension PickleMachine {
  /// Throws when the pickle made more objects than any checkpoint needs.
  func checkObjectCount() throws(TinctureError) {
    guard heap.objectCount < PickleHeap.objectLimit else {
      throw failure("The pickle makes more than \(PickleHeap.objectLimit) objects.")
    }
  }

  /// Makes a tuple.
  mutating func pushTuple(_ items: [PickleValue]) throws(TinctureError) {
    try checkObjectCount()
    stack.append(.tuple(heap.add(items)))
  }

  /// Makes a list.
  mutating func pushList(_ items: [PickleValue]) throws(TinctureError) {
    try checkObjectCount()
    stack.append(.list(heap.add(items)))
  }

  /// Makes a set.
  mutating func pushSet(_ items: [PickleValue]) throws(TinctureError) {
    try checkObjectCount()
    stack.append(.set(heap.add(items)))
  }

  /// Makes a dictionary.
  mutating func pushDictionary(_ dictionary: PickleDictionary) throws(TinctureError) {
    try checkObjectCount()
    stack.append(.dictionary(heap.add(dictionary)))
  }

  /// Appends items to the list or set on the stack.
  mutating func append(_ items: [PickleValue]) throws(TinctureError) {
    switch try top() {
    case .list(let index), .set(let index): heap.sequences[index] += items
    case .opaque: break
    case let target: throw failure("The pickle appends to \(target.kind); it is damaged.")
    }
  }

  /// Sets alternating keys and values of the dictionary on the stack.
  mutating func setItems(_ items: [PickleValue]) throws(TinctureError) {
    guard items.count % 2 == 0 else {
      throw failure("The pickle sets a key without a value; it is damaged.")
    }
    switch try top() {
    case .dictionary(let index):
      for position in stride(from: 0, to: items.count, by: 2) {
        heap.dictionaries[index].set(items[position], to: items[position + 1])
      }
    case .opaque: break
    case let target: throw failure("The pickle sets a key of \(target.kind); it is damaged.")
    }
  }

  /// Fills a new dictionary with pairs, as old ordered dictionaries are written.
  mutating func dictionary(ofPairs pairs: [PickleValue]) throws(TinctureError) -> PickleValue {
    copied += pairs.count
    guard copied <= reader.position - start else {
      throw failure("The pickle copies more values than it holds; it is damaged.")
    }
    var dictionary = PickleDictionary()
    for pair in pairs {
      guard let items = heap.items(of: pair), items.count == 2 else {
        throw failure("The pickle fills a dictionary with \(pair.kind); a pair was expected.")
      }
      dictionary.set(items[0], to: items[1])
    }
    return .dictionary(heap.add(dictionary))
  }
}
