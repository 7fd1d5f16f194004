internal import Synchronization
internal import TinctureCheckpoints
internal import TinctureTensors

/// Workers that carry steps out within a number of bytes.
///
/// Each worker takes the next step from one counter, waits for its memory, and works in a workspace of
/// its own. No step waits for another. Workers without work, or without memory for it, help the others. A step whose method asks for it is carried out again by a slower route,
/// with the memory of that.
struct StepPool: Sendable {
  let method: any MergeMethod
  let options: MergeOptions
  let workers: Int
  let budget: ByteBudget
  let tuning: EngineTuning
  let interruption: Interruption
  let observer: (@Sendable (MergeEvent) -> Void)?

  /// Carries steps out.
  ///
  /// - Parameters:
  ///   - steps: The steps.
  ///   - writer: Where output goes; nil for a survey.
  ///   - body: What is done with a step.
  /// - Throws: The failure of the step that comes first in `steps`.
  func run(
    _ steps: [MergeStep], writer: RangeWriter? = nil,
    _ body: @escaping @Sendable (MergeInputs) throws(TinctureError) -> Void
  ) async throws(TinctureError) {
    let progress = Progress()
    let started = max(1, min(workers, steps.count))
    SpareThreads.shared.offer(max(0, workers - started))
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<started {
        group.addTask {
          await work(steps, writer: writer, progress, body)
          SpareThreads.shared.offer()
        }
      }
    }
    SpareThreads.shared.takeBack(max(started, workers))
    if let error = progress.firstFailure { throw error }
  }

  private func work(
    _ steps: [MergeStep], writer: RangeWriter?, _ progress: Progress,
    _ body: @Sendable (MergeInputs) throws(TinctureError) -> Void
  ) async {
    let workspace = Workspace()
    while let position = progress.next(below: steps.count) {
      let step = steps[position]
      for isFallback in [false, true] {
        let cost = StepCost(of: step, method: method, tuning: tuning, isFallback: isFallback)
        SpareThreads.shared.offer()
        await budget.acquire(cost.bytes)
        SpareThreads.shared.takeBack()
        let inputs = MergeInputs(
          step: step, workspace: workspace, options: options, tuning: tuning, cost: cost,
          isFallback: isFallback, writer: writer, interruption: interruption
        ) { observer?(.wrote(bytes: $0)) }
        var failure: TinctureError?
        do throws(TinctureError) {
          try interruption.check()
          try body(inputs)
        } catch { failure = error }
        budget.release(cost.bytes)
        FreedMemory.release(above: budget.limit)
        if inputs.asksForFallback { continue }
        if let failure { progress.fail(position, failure.located(tensor: step.name)) }
        break
      }
    }
  }

  /// What the workers of one run share: the next step and the failures so far.
  private final class Progress: Sendable {
    private let taken = Atomic<Int>(0)
    private let hasFailed = Atomic<Bool>(false)
    private let failures = Mutex<[Int: TinctureError]>([:])

    func next(below count: Int) -> Int? {
      guard !hasFailed.load(ordering: .relaxed) else { return nil }
      let position = taken.wrappingAdd(1, ordering: .relaxed).oldValue
      return position < count ? position : nil
    }

    func fail(_ position: Int, _ error: TinctureError) {
      failures.withLock { $0[position] = error }
      hasFailed.store(true, ordering: .relaxed)
    }

    var firstFailure: TinctureError? {
      failures.withLock { failures in failures.keys.min().flatMap { failures[$0] } }
    }
  }
}
