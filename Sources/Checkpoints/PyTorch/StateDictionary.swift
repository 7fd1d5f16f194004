import SystemPackage
import TinctureJSON
import TinctureSafetensors
import TinctureTensors

/// The named tensors among everything that a pickle made.
///
/// The top is a dictionary. When it holds no tensor itself but one dictionary of weights, that one
/// is meant. Dictionaries and lists inside are flattened, their keys joined by points.
struct StateDictionary {
  /// The names and the indices of their tensors, in the order of the pickle.
  private(set) var entries: [(name: String, tensor: Int)] = []

  private static let depthLimit = 32
  private static let wrapperNames = ["state_dict", "model_state_dict", "model", "module"]

  private let file: InputFile
  private let heap: PickleHeap
  private let reachesTensor: [Bool]
  private var path: [Int] = []
  private var names: Set<ExactString> = []
  private var visitBudget: Int
  private var nameBudget: Int

  /// Collects the named tensors.
  ///
  /// - Parameters:
  ///   - root: The value that the pickle describes.
  ///   - heap: Everything the pickle made.
  ///   - pickleSize: The bytes of the pickle, which bound how often shared containers are visited.
  ///   - file: The checkpoint, for messages.
  /// - Throws: `checkpoint` when there is no tensor or one without an unambiguous name.
  init(
    root: PickleValue, heap: PickleHeap, pickleSize: Int, file: InputFile
  ) throws(TinctureError) {
    self.file = file
    self.heap = heap
    reachesTensor = Self.findReachingContainers(of: heap)
    visitBudget = pickleSize
    nameBudget = 64 * pickleSize + 1 << 20
    guard case .dictionary(let index) = root else {
      throw file.failure(
        "The file holds \(root.kind) instead of a dictionary of named tensors; save a"
          + " state_dict().")
    }
    let weights = unwrap(index)
    try visit(.dictionary(weights), name: "")
    guard !entries.isEmpty else {
      throw file.failure("The file holds no tensors; save a state_dict().")
    }
  }

  /// The dictionary that holds the weights: the given one or one directly inside.
  private func unwrap(_ index: Int) -> Int {
    let members = heap.dictionaries[index].entries
    let holdsTensor = members.contains { member in
      if case .tensor = member.value { true } else { false }
    }
    guard !holdsTensor else { return index }
    var candidates: [(name: String?, dictionary: Int?)] = []
    for member in members where reaches(member.value) {
      var candidate: (name: String?, dictionary: Int?)
      if case .text(let name) = member.key { candidate.name = name }
      if case .dictionary(let inner) = member.value { candidate.dictionary = inner }
      guard candidate.name?.hasPrefix("optim") != true else { continue }
      candidates.append(candidate)
    }
    for wrapper in Self.wrapperNames {
      let match = candidates.first { $0.name == wrapper && $0.dictionary != nil }
      if let dictionary = match?.dictionary { return dictionary }
    }
    return candidates.count == 1 ? candidates[0].dictionary ?? index : index
  }

  private mutating func visit(_ value: PickleValue, name: String) throws(TinctureError) {
    if case .tensor(let index) = value { return try add(index, name: name) }
    guard let node = Self.node(of: value, in: heap), reachesTensor[node] else { return }
    guard !path.contains(node) else {
      throw file.failure("The container \"\(name)\" contains itself; save a state_dict().")
    }
    guard path.count < Self.depthLimit else {
      throw file.failure("The tensors are nested deeper than \(Self.depthLimit) containers.")
    }
    path.append(node)
    defer { path.removeLast() }
    let prefix = path.count == 1 ? "" : name + "."
    if case .dictionary(let index) = value {
      for (key, member) in heap.dictionaries[index].entries {
        try spendVisit()
        guard reaches(member) else { continue }
        switch key {
        case .text(let text): try visit(member, name: prefix + text)
        case .integer(let number): try visit(member, name: prefix + String(number))
        default:
          throw file.failure(
            "A tensor in \"\(name)\" stands under \(key.kind) instead of a name.")
        }
      }
    } else {
      for (number, member) in (heap.items(of: value) ?? []).enumerated() {
        try spendVisit()
        if reaches(member) { try visit(member, name: prefix + String(number)) }
      }
    }
  }

  private mutating func spendVisit() throws(TinctureError) {
    visitBudget -= 1
    guard visitBudget >= 0 else {
      throw file.failure(
        "The containers of the pickle refer to each other so often that its tensors cannot be"
          + " listed; save a state_dict().")
    }
  }

  private mutating func add(_ tensor: Int, name: String) throws(TinctureError) {
    let position = heap.tensors[tensor].position
    nameBudget -= name.utf8.count
    guard nameBudget >= 0 else {
      throw file.failure("The names of the tensors are too long to be listed.", at: position)
    }
    guard names.insert(ExactString(name)).inserted else {
      throw file.failure(
        "Two tensors are named \"\(name)\" once nested dictionaries are flattened.", at: position,
        tensor: name)
    }
    entries.append((name, tensor))
  }
}

// MARK: - Which containers lead to tensors

extension StateDictionary {
  private func reaches(_ value: PickleValue) -> Bool {
    if case .tensor = value { return true }
    return Self.node(of: value, in: heap).map { reachesTensor[$0] } ?? false
  }

  /// The number of a container: sequences first, then dictionaries.
  private static func node(of value: PickleValue, in heap: PickleHeap) -> Int? {
    switch value {
    case .tuple(let index), .list(let index), .set(let index): index
    case .dictionary(let index): heap.sequences.count + index
    default: nil
    }
  }

  /// For each container whether a tensor lies in it at any depth.
  ///
  /// - Complexity: O(n) in the number of values.
  private static func findReachingContainers(of heap: PickleHeap) -> [Bool] {
    let count = heap.sequences.count + heap.dictionaries.count
    var reaching = [Bool](repeating: false, count: count)
    var parents = [[Int]](repeating: [], count: count)
    var pending: [Int] = []
    func register(_ value: PickleValue, in parent: Int) {
      if case .tensor = value, !reaching[parent] {
        reaching[parent] = true
        pending.append(parent)
      } else if let child = node(of: value, in: heap) {
        parents[child].append(parent)
      }
    }
    for (index, items) in heap.sequences.enumerated() {
      for item in items { register(item, in: index) }
    }
    for (index, dictionary) in heap.dictionaries.enumerated() {
      for entry in dictionary.entries {
        register(entry.value, in: heap.sequences.count + index)
      }
    }
    while let child = pending.popLast() {
      for parent in parents[child] where !reaching[parent] {
        reaching[parent] = true
        pending.append(parent)
      }
    }
    return reaching
  }
}
