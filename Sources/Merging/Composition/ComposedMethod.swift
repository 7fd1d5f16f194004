internal import TinctureCheckpoints
internal import TinctureTensors

/// A method with steps before and after it, which all work in the same pass over the models.
///
/// Before the method every block of task vectors goes through the filters of `preprocess`, in their order; a
/// filter that must know a threshold or a norm first finds it out by passes of its own, in which the filters
/// before it are at work already. What the method produces goes, less the base, through the filters of
/// `postprocess`. Those that work block by block pass blocks on; one that takes whole tensors gets the
/// merged tensor from memory. The methods need not know of it; to those that merge models without a base it is
/// not shown, and models are then the base with their filtered task vectors.
struct ComposedMethod<Method: MergeMethod>: MergeMethod {
  struct State: Sendable {
    let method: Method.State
    let before: [any TaskVectorFilter]
    let norms: [MergedNorms?]
  }

  let info: MethodInfo
  let method: Method
  let before: [any TaskVectorFilter]
  let after: [any MergedVectorFilter]

  init(_ method: Method, before: [any TaskVectorFilter], after: [any MergedVectorFilter]) {
    self.method = method
    self.before = before
    self.after = after
    var info = method.info
    info.before = before.map(\.info.name)
    info.after = after.map(\.info.name)
    if before.contains(where: \.info.isRandom) { info.isRandom = true }
    // Filters need a base also where the method has none; it is then not shown to the method.
    info.base = .required
    self.info = info
  }

  /// Whether the method merges models and must not see the base that filters need.
  private var hidesBase: Bool {
    switch method.info.base {
    case .required, .optional: false
    case .member, .none: true
    }
  }

  private var filters: [any MergeFilter] { before.map { $0 } + after.map { $0 } }

  /// The values of a filter of `postprocess`.
  private func values(after position: Int, _ parameters: ResolvedParameters) -> ResolvedParameters {
    parameters.ofFilter(before.count + position)
  }

  // MARK: What the planner asks

  func isElementwise(_ parameters: ResolvedParameters) -> Bool {
    method.isElementwise(parameters)
      && filters.enumerated().allSatisfy { $1.isElementwise(parameters.ofFilter($0)) }
  }

  func objection(to parameters: ResolvedParameters, modelCount: Int) -> String? {
    method.objection(to: parameters, modelCount: modelCount)
  }

  func workingMemory(_ parameters: ResolvedParameters, _ scope: WorkingScope) -> WorkingMemory {
    var memory = method.workingMemory(parameters, scope)
    for (position, filter) in filters.enumerated() {
      let own = filter.workingMemory(parameters.ofFilter(position), scope)
      memory.vectors += own.vectors
      memory.bytes += own.bytes
      memory.wholeRows = memory.wholeRows || own.wholeRows
    }
    for filter in after where filter.takesWholeTensors {
      // The merged tensor, which is one input more besides.
      memory.bytes += 8 * scope.elementCount
      memory.vectors += 1
    }
    if after.enumerated().contains(where: { $1.needsNorms(values(after: $0, parameters)) }) {
      memory.vectors += 1
    }
    // Whoever adds up by segments must do so however much memory there is.
    memory.fixesBlocks = memory.wholeRows
    return memory
  }

  func externalState(_ parameters: ResolvedParameters) -> [UInt8] {
    method.externalState(parameters)
      + Array("\(info.before.joined(separator: " ")) | \(info.after.joined(separator: " "))".utf8)
  }

  func requireFacilities() throws(TinctureError) {
    try method.requireFacilities()
    for filter in filters { try filter.requireFacilities() }
  }

  func check(_ plan: MergePlan) throws(TinctureError) {
    try method.check(plan)
    for filter in filters { try filter.check(plan) }
    if !after.isEmpty, let step = plan.steps.first(where: { !$0.extras.isEmpty }) {
      throw TinctureError(
        .recipe,
        "\(info.name) writes more than merged tensors, so that no step can stand after it; leave"
          + " postprocess out.", at: .init(tensor: step.name))
    }
  }

  func preparation(_ plan: MergePlan, memoryLimit: Int) -> String? {
    method.preparation(plan, memoryLimit: memoryLimit)
  }

  func sidecars(_ state: State) throws(TinctureError) -> [MergePlan.Sidecar] {
    try method.sidecars(state.method)
  }

  func extraOutputs(_ scope: OutputScope) -> [OutputLayout.Tensor] { method.extraOutputs(scope) }

  func completionMemory(_ plan: MergePlan, workers: Int, limit: Int) -> Int {
    guard !before.isEmpty else {
      return method.completionMemory(plan, workers: workers, limit: limit)
    }
    let merged = plan.steps.filter { if case .merge = $0.action { true } else { false } }
    let room = ArrangedRoom(
      merged, method: self,
      tuning: MergeEngine(workers: workers, memoryLimit: limit).tuning(for: plan),
      workers: workers, limit: limit)
    let own = method.completionMemory(plan, workers: room.workers, limit: room.limit)
    return own == 0 ? 0 : own + room.bytes
  }

  // MARK: What the engine asks

  func prepare(_ session: MergeSession) async throws(TinctureError) -> State {
    var prepared: [any TaskVectorFilter] = []
    for (position, filter) in before.enumerated() {
      let earlier = prepared
      let own = session.arranged(parameters: { $0.ofFilter(position) }) {
        (inputs) throws(TinctureError) in
        try Self.settle(earlier, inputs)
        inputs.show(inputs.step.parameters.ofFilter(position))
      }
      prepared.append(try await filter.prepared(own))
    }
    let filters = prepared
    let state = try await method.prepare(arranged(session, filters))
    var norms = [MergedNorms?](repeating: nil, count: after.count)
    for position in after.indices {
      let isNeeded = session.steps.contains {
        after[position].needsNorms(values(after: position, $0.parameters))
      }
      guard isNeeded else { continue }
      let known = State(method: state, before: filters, norms: norms)
      norms[position] = try await measure(session, upTo: position, known)
    }
    return State(method: state, before: filters, norms: norms)
  }

  /// The session as the method sees it.
  private func arranged(_ session: MergeSession, _ filters: [any TaskVectorFilter])
    -> MergeSession
  {
    guard !filters.isEmpty || hidesBase else { return session }
    return session.arranged { [hidesBase] (inputs) throws(TinctureError) in
      try Self.settle(filters, inputs)
      inputs.hidesBase = hidesBase
    }
  }

  func complete(_ output: MergedOutput, _ session: MergeSession, state: State)
    async throws(TinctureError)
  {
    try await method.complete(output, arranged(session, state.before), state: state.method)
  }

  func merge(_ inputs: MergeInputs, state: State) throws(TinctureError) {
    try Self.settle(state.before, inputs)
    defer { inputs.install([]) }
    try send(inputs, through: after.indices, to: .file, state) { () throws(TinctureError) in
      try mergeAlone(inputs, state)
    }
  }

  /// Lets the method make one tensor, with the base hidden where it has none.
  private func mergeAlone(_ inputs: MergeInputs, _ state: State) throws(TinctureError) {
    inputs.hidesBase = hidesBase
    defer { inputs.hidesBase = false }
    try method.merge(inputs, state: state.method)
  }

  /// Puts filters between a step and whoever reads it, one after the other.
  private static func settle(
    _ filters: [any TaskVectorFilter], _ inputs: MergeInputs
  ) throws(TinctureError) {
    var passes: [any TaskVectorPass] = []
    inputs.install([])
    defer { inputs.randomScope = "" }
    for (position, filter) in filters.enumerated() {
      inputs.randomScope = "before \(position): "
      let own = inputs.step.parameters.ofFilter(position)
      passes.append(
        try inputs.showing(own) { () throws(TinctureError) in try filter.settled(inputs) })
      inputs.install(passes)
    }
  }

  /// Sends what `produce` produces through some of the filters.
  private func send(
    _ inputs: MergeInputs, through filters: Range<Int>, to end: MergeOutlet.End, _ state: State,
    _ produce: () throws(TinctureError) -> Void
  ) throws(TinctureError) {
    var outlet = MergeOutlet()
    let parameters = inputs.step.parameters
    for position in filters {
      let own = values(after: position, parameters)
      guard !after[position].takesWholeTensors else {
        let tensor = MergedTensor(capacity: inputs.elementCount)
        outlet.end = .memory(tensor)
        try inputs.sending(to: outlet, produce)
        let merged = MemoryReader(
          elements: tensor.elements, shape: inputs.step.shape,
          place: .init(tensor: inputs.step.name))
        return try send(inputs, through: position + 1..<filters.upperBound, to: end, state) {
          () throws(TinctureError) in
          inputs.install([])
          try inputs.showing(own, models: [merged] + inputs.step.models) {
            () throws(TinctureError) in
            try after[position].merge(inputs)
          }
        }
      }
      let pass = try inputs.showing(own) { () throws(TinctureError) in
        try after[position].settled(inputs, state.norms[position])
      }
      if let pass { outlet.passes.append(pass) }
    }
    outlet.end = end
    try inputs.sending(to: outlet, produce)
  }

  /// The norms before a filter, by one more pass over the models.
  private func measure(_ session: MergeSession, upTo position: Int, _ state: State)
    async throws(TinctureError) -> MergedNorms
  {
    let found = try await session.survey { (inputs) throws(TinctureError) in
      var square = 0.0
      var sum = inputs.scratch()
      let ones = [Float](repeating: 1, count: inputs.modelCount)
      try inputs.scan(.taskVectors) { (block) throws(TinctureError) in
        sum.use(block.count) { sum in
          block.weightedSum(ones, into: &sum)
          Kernels.addDot(sum.span, sum.span, to: &square)
        }
      }
      let length = MergedLength()
      try Self.settle(state.before, inputs)
      try send(inputs, through: 0..<position, to: .measure(length), state) {
        () throws(TinctureError) in
        try mergeAlone(inputs, state)
      }
      inputs.install([])
      return (square, length.square)
    }
    return MergedNorms(
      sum: found.reduce(0) { $0 + $1.0 }.squareRoot(),
      merged: found.reduce(0) { $0 + $1.1 }.squareRoot())
  }
}

extension MergeMethod {
  /// The method between steps that work in the same pass.
  ///
  /// Steps of such a plan have the values of the filters in `parameters.filters`, first those before the method,
  /// then those after it. Recipes get there by `preprocess` and `postprocess`.
  ///
  /// - Parameters:
  ///   - before: What is done to task vectors, in order.
  ///   - after: What is done to the merged task vector, in order.
  /// - Returns: The method itself where both are empty.
  public func between(_ before: [any TaskVectorFilter], _ after: [any MergedVectorFilter])
    -> any MergeMethod
  {
    before.isEmpty && after.isEmpty
      ? self : ComposedMethod(self, before: before, after: after)
  }
}

extension ResolvedParameters {
  /// The values of a filter, with those of all filters still at hand.
  func ofFilter(_ position: Int) -> ResolvedParameters {
    var own = filters[position]
    own.filters = filters
    return own
  }
}
