internal import TinctureMerging
internal import TinctureTensors

/// The search for the clusters of every block, down to a size.
struct FlexMergeSearch {
  /// What is known of a block.
  private struct Block {
    var gram: [Double]
    var agreement: [Double]
    var elements = 0
    var bytes = 0
    var tensors: Set<String> = []
  }

  private let session: MergeSession
  private let parameters: ResolvedParameters
  private let count: Int
  private let order: FlexMerge.Order
  private let similarity: TaskClusters.Similarity
  private let linkage: TaskClusters.Linkage
  private let hasMasks: Bool

  init(_ session: MergeSession, _ parameters: ResolvedParameters) {
    self.session = session
    self.parameters = parameters
    count = session.steps.first?.models.count ?? 0
    order = FlexMerge.Order(rawValue: parameters[FlexMerge.order]) ?? .similarity
    similarity = TaskClusters.Similarity(rawValue: parameters[FlexMerge.similarity]) ?? .cosine
    linkage = TaskClusters.Linkage(rawValue: parameters[FlexMerge.linkage]) ?? .merged
    hasMasks = FlexMerge.inner(parameters).hasMasks
  }

  /// Merges clusters until the whole is small enough.
  func run() async throws(TinctureError) -> FlexMerge.State {
    let blocks = try await measure()
    // From the last layer to the first, as published: of equal pairs the first counts.
    var keys = blocks.keys.sorted(by: >)
    if order == .leftToRight { keys.reverse() }
    let known = keys.map { blocks[$0] ?? Block(gram: [], agreement: []) }
    var clusters = known.map {
      TaskClusters(gram: $0.gram, agreement: $0.agreement, elements: $0.elements, count: count)
    }
    func room(_ index: Int) -> Int { bytes(of: clusters[index], known[index]) }
    let limit = parameters[FlexMerge.size] * Double(known.reduce(0) { $0 + $1.bytes })
    if order == .channel {
      return state(blocks, keys, channels(keys, known, limit: limit))
    }
    var closest = clusters.map { $0.closest(similarity, linkage) }
    // Nothing is drawn for blocks without elements.
    for index in keys.indices where order == .random && known[index].elements == 0 {
      closest[index] = nil
    }
    var taken = keys.indices.reduce(0) { $0 + room($1) }
    var turn = 0
    while Double(taken) > limit {
      guard let index = next(closest, turn) else { break }
      guard var pair = closest[index].map({ ($0.first, $0.second) }) else { break }
      if order == .random { pair = draw(clusters[index].members.count, turn) }
      taken -= room(index)
      clusters[index].merge(pair.0, pair.1)
      taken += room(index)
      closest[index] = clusters[index].closest(similarity, linkage)
      turn += 1
    }
    return state(blocks, keys, clusters)
  }

  private func bytes(of clusters: TaskClusters, _ block: Block) -> Int {
    clusters.room(size: block.bytes, elements: block.elements, hasMasks: hasMasks)
  }

  /// As many clusters in every tensor as there is room for.
  private func channels(_ keys: [String], _ known: [Block], limit: Double) -> [TaskClusters] {
    var found: [TaskClusters] = []
    for number in stride(from: count, to: 0, by: -1) {
      found = zip(keys, known).map { key, block in
        let random = CounterRandom(
          seed: session.options.seed, tensor: key, model: number, purpose: "flexmerge channel")
        let labels = DirectionClusters(gram: block.gram, count: count).labels(number, random)
        var clusters = TaskClusters(gram: block.gram, elements: block.elements, count: count)
        clusters.join(labels)
        return clusters
      }
      let whole = zip(found, known).reduce(0) { $0 + bytes(of: $1.0, $1.1) }
      if Double(whole) <= limit { break }
    }
    return found
  }

  private func state(_ blocks: [String: Block], _ keys: [String], _ clusters: [TaskClusters])
    -> FlexMerge.State
  {
    var state = FlexMerge.State()
    for (key, own) in zip(keys, clusters) {
      for tensor in blocks[key]?.tensors ?? [] {
        state.clusters[tensor] = own
        state.blocks[tensor] = key
      }
    }
    return state
  }

  /// The block in which two clusters are merged next; nil when all have one.
  private func next(_ closest: [(first: Int, second: Int, value: Double)?], _ turn: Int) -> Int? {
    let open = closest.indices.filter { closest[$0] != nil }
    switch order {
    case .leftToRight, .rightToLeft: return open.first
    case .random:
      return open.isEmpty ? nil : open[number(turn, "block", below: open.count)]
    case .similarity, .cluster, .channel:
      var best: Int?
      for index in open
      where closest[index]?.value ?? 0 > best.flatMap({ closest[$0]?.value }) ?? -.infinity {
        best = index
      }
      return best
    }
  }

  /// Any two of so many clusters.
  private func draw(_ clusters: Int, _ turn: Int) -> (Int, Int) {
    let first = number(turn, "first", below: clusters)
    var second = number(turn, "second", below: clusters - 1)
    if second >= first { second += 1 }
    return (min(first, second), max(first, second))
  }

  private func number(_ turn: Int, _ what: String, below bound: Int) -> Int {
    let random = CounterRandom(seed: session.options.seed, tensor: what, purpose: "flexmerge")
    return min(bound - 1, Int(random.uniform(at: turn) * Double(bound)))
  }

  /// Products, signs and sizes of all blocks.
  private func measure() async throws(TinctureError) -> [String: Block] {
    let (count, needsSigns) = (count, similarity == .sign)
    let found = try await session.survey { (inputs) throws(TinctureError) in
      var gram = [Double](repeating: 0, count: count * count)
      var same = [Double](repeating: 0, count: needsSigns ? count * count : 0)
      try inputs.scan(.taskVectors) { (block) throws(TinctureError) in
        for a in 0..<count {
          for b in a..<count {
            let (x, y) = (block[model: a], block[model: b])
            Kernels.addDot(x, y, to: &gram[a * count + b])
            if needsSigns { same[a * count + b] += Double(Self.agreeing(x, y)) }
          }
        }
      }
      for a in 0..<count {
        for b in 0..<a {
          gram[a * count + b] = gram[b * count + a]
          if needsSigns { same[a * count + b] = same[b * count + a] }
        }
      }
      return (gram, same)
    }
    var blocks: [String: Block] = [:]
    for (step, (gram, same)) in zip(session.steps, found) {
      let key = key(of: step)
      var own =
        blocks[key]
        ?? Block(
          gram: gram.map { _ in 0 }, agreement: same.map { _ in 0 })
      for index in gram.indices { own.gram[index] += gram[index] }
      for index in same.indices { own.agreement[index] += same[index] }
      own.elements += step.elements.count
      own.bytes += step.elements.count * step.dtype.bitWidth / 8
      own.tensors.insert(step.name)
      blocks[key] = own
    }
    return blocks
  }

  /// How many elements have the same sign; zeros are alike.
  private static func agreeing(_ x: Span<Float>, _ y: Span<Float>) -> Int {
    var count = 0
    for index in 0..<min(x.count, y.count) {
      let (a, b) = (x[index], y[index])
      if (a > 0) == (b > 0), (a < 0) == (b < 0) { count += 1 }
    }
    return count
  }

  /// What sorts like the layers, the kinds of modules, and modules outside of layers before all.
  private func key(of step: MergeStep) -> String {
    guard order != .cluster else { return "model" }
    guard order != .channel else { return step.name }
    let module = ModuleName(step.name, layer: step.layer ?? -1)
    guard let layer = step.layer else { return " \(module.text)" }
    let number = String(layer)
    let digits = String(repeating: "0", count: max(0, 6 - number.count)) + number
    let stack = step.name.prefix { !$0.isNumber }
    return "layer \(digits) \(stack) \(module.kind)"
  }
}
