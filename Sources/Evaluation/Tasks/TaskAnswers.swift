package import TinctureNetworks
package import TinctureTensors
package import TinctureTorch

/// What a network makes of some examples of a task.
package struct TaskAnswers {
  /// Features, or scores where the network has no separate head: [rows, numbers].
  package let features: TorchTensor
  /// How many rows each example has: one, or for a language model one for every token that another follows.
  package let rowCounts: [Int]
  /// The states of all tokens of all examples after each block that was asked for: [tokens, width].
  package let states: [TorchTensor]
  /// How many tokens each example has.
  package let tokenCounts: [Int]
}

extension LearningTask {
  /// What the network makes of some examples: features, or scores where it has no separate head.
  ///
  /// - Parameters:
  ///   - indices: The examples.
  ///   - parameters: The network's parameters.
  /// - Returns: Rows of numbers, one for each example, or for each token of a text that another follows.
  /// - Throws: `data` when examples do not fit the network, `io` when reading fails, `engine`.
  package func features(
    of indices: [Int], _ parameters: Parameters
  ) throws(TinctureError) -> TorchTensor {
    try answers(of: indices, parameters).features
  }

  /// What the network makes of some examples.
  ///
  /// - Parameters:
  ///   - indices: The examples.
  ///   - parameters: The network's parameters.
  ///   - blocks: The blocks after which states are wanted.
  /// - Returns: Features or scores, and states.
  /// - Throws: `data` when examples do not fit the network, `io` when reading fails, `engine`, `recipe` for a
  ///   block that the network does not have.
  package func answers(
    of indices: [Int], _ parameters: Parameters, blocks: [Int] = []
  ) throws(TinctureError) -> TaskAnswers {
    let noted = BlockStates(of: blocks)
    let parameters = blocks.isEmpty ? parameters : parameters.hooked(noted)
    var features: TorchTensor
    var rowCounts = Array(repeating: 1, count: indices.count)
    var batch: TokenBatch?
    switch content {
    case .images(let network):
      let images = try context.images(
        data, at: indices, size: network.imageSize, network.channels)
      features = try network.features(of: images, parameters)
    case .texts(let network, let inputs):
      let texts = try inputs.batch(at: indices)
      batch = texts
      features = try network.features(of: texts, parameters)
    case .classified(let network, let inputs):
      let texts = try inputs.batch(at: indices)
      batch = texts
      features = try network.logits(of: texts, parameters)
    case .language(let network, let inputs):
      let texts = try inputs.batch(at: indices)
      batch = texts
      let following = try FollowingTokens(texts)
      let states = try network.states(of: texts, parameters).flattened(from: 0, to: 1)
      let rows = try TorchTensor(following.places, on: states.device)
      features = try network.scores(of: states.selected(at: rows, along: 0), parameters)
      rowCounts = following.counts
    }
    let (states, tokenCounts) = try states(noted, blocks, batch, indices.count)
    return TaskAnswers(
      features: features, rowCounts: rowCounts, states: states, tokenCounts: tokenCounts)
  }

  private func states(
    _ noted: BlockStates, _ blocks: [Int], _ batch: TokenBatch?, _ count: Int
  ) throws(TinctureError) -> (states: [TorchTensor], tokenCounts: [Int]) {
    var states: [TorchTensor] = []
    var tokenCounts = Array(repeating: 0, count: count)
    for block in blocks {
      guard let found = noted[block] else {
        throw context.refusal("cannot compare states after the block \(block): there is none.")
      }
      let all = try found.flattened(from: 0, to: 1)
      guard let mask = try batch?.mask?.array(as: Bool.self) else {
        states.append(all)
        tokenCounts = Array(repeating: found.shape[1], count: count)
        continue
      }
      let places = mask.indices.filter { mask[$0] }
      states.append(try all.selected(at: TorchTensor(places, on: all.device), along: 0))
      tokenCounts = (0..<count).map { row in
        mask[row * found.shape[1]..<(row + 1) * found.shape[1]].count { $0 }
      }
    }
    return (states, tokenCounts)
  }
}

/// The tokens of texts that another token of the same text follows.
struct FollowingTokens {
  /// Their places among all tokens of the batch, text after text.
  let places: [Int]
  /// The tokens that follow.
  let labels: [Int]
  /// How many each text has.
  let counts: [Int]

  init(_ batch: TokenBatch) throws(TinctureError) {
    let (rows, length) = (batch.ids.shape[0], batch.ids.shape[1])
    let ids = try batch.ids.array(as: Int.self)
    let mask = try batch.mask?.array(as: Bool.self)
    var (places, labels, counts) = ([Int](), [Int](), [Int]())
    for row in 0..<rows {
      let before = places.count
      for place in row * length..<max(row * length, (row + 1) * length - 1)
      where mask.map({ $0[place] && $0[place + 1] }) ?? true {
        places.append(place)
        labels.append(ids[place + 1])
      }
      counts.append(places.count - before)
    }
    (self.places, self.labels, self.counts) = (places, labels, counts)
  }
}
