package import TinctureMerging
package import TinctureTensors

/// Task vectors as TIES leaves them before it adds them: trimmed, and without what disagrees in sign.
///
/// v_k is τ_k where |τ_k| is at least the threshold of the whole task vector, else 0; s is the sign of Σ v_k, or
/// the sign of most elements where the sum is 0; what remains of a task vector are the elements of v_k with
/// the sign s. Source: Yadav et al., arXiv:2306.01708.
package struct TiesSelection: Sendable {
  private let cuts: [MagnitudeCut]
  private let majority: Float

  /// Finds thresholds and the majority sign of a merge.
  ///
  /// - Parameters:
  ///   - session: The merge.
  ///   - density: The fraction of each task vector that stays.
  /// - Throws: What reading throws.
  /// - Complexity: Three passes over the models.
  package init(_ session: MergeSession, density: Double) async throws(TinctureError) {
    let count = session.steps.first?.models.count ?? 0
    let indices = session.steps.first?.modelIndices ?? []
    let densities = Dictionary(indices.map { ($0, density) }, uniquingKeysWith: { $1 })
    let trim = GlobalTrim(
      cuts: try await GlobalTrim.cuts(session, densities: densities, exact: false), majority: 1)
    let cuts = (0..<count).map { trim.cut(of: indices[$0]) }
    let balance = try await session.tally {
      0
    } count: { (balance: inout Int, inputs) throws(TinctureError) in
      var sum = inputs.scratch()
      try inputs.scan(.taskVectors) { (block) throws(TinctureError) in
        Self.trim(&block, cuts)
        let ones = [Float](repeating: 1, count: block.modelCount)
        balance += sum.use(block.count) { sum in
          block.weightedSum(ones, into: &sum)
          return Kernels.signBalance(sum.span)
        }
      }
    } combine: {
      $0 += $1
    }
    self.cuts = cuts
    majority = balance > 0 ? 1 : -1
  }

  private static func trim(_ block: inout ElementBlock, _ cuts: [MagnitudeCut]) {
    for model in 0..<block.modelCount {
      block.change(model: model) { x in
        var cut = cuts[model]
        cut.keepLargest(&x)
      }
    }
  }

  /// Sets the elements of task vectors below their thresholds to zero.
  func trim(_ block: inout ElementBlock) { Self.trim(&block, cuts) }

  /// Sets the elements of task vectors that do not remain to zero.
  ///
  /// - Parameters:
  ///   - block: The task vectors.
  ///   - sum: Room for as many numbers as the block has positions.
  package func apply(to block: inout ElementBlock, _ sum: inout MutableSpan<Float>) {
    Self.trim(&block, cuts)
    block.weightedSum([Float](repeating: 1, count: block.modelCount), into: &sum)
    SignElection.keepElected(&block, sum: &sum, zeroSign: majority)
  }

  /// The sum of what remains of all task vectors, which stay as they are.
  ///
  /// - Parameters:
  ///   - block: The task vectors.
  ///   - room: Room for as many numbers as the block has positions.
  ///   - signs: The same again.
  ///   - output: Receives the sum.
  func addUp(
    _ block: inout ElementBlock, room: inout ScratchVector, signs: inout ScratchVector,
    into output: inout MutableSpan<Float>
  ) {
    let count = block.count
    signs.use(count) { signs in
      Kernels.clear(&signs)
      for model in 0..<block.modelCount {
        room.use(count) { room in
          Kernels.copy(block[model: model], to: &room)
          var cut = cuts[model]
          cut.keepLargest(&room)
          Kernels.add(room.span, to: &signs)
        }
      }
      for position in 0..<count where signs[position] == 0 { signs[position] = majority }
    }
    Kernels.clear(&output)
    for model in 0..<block.modelCount {
      room.use(count) { room in
        Kernels.copy(block[model: model], to: &room)
        var cut = cuts[model]
        cut.keepLargest(&room)
        let signs = signs.prefix(count)
        for position in 0..<count where (room[position] > 0) == (signs[position] > 0) {
          output[position] += room[position]
        }
      }
    }
  }
}
