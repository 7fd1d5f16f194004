internal import Dispatch
internal import Synchronization
internal import TinctureTensors

/// Does pieces of work on several threads and waits for all.
///
/// - Parameters:
///   - count: How many pieces.
///   - workers: How many threads.
///   - body: Does the piece of a number; pieces are begun in the order of their numbers.
/// - Throws: The failure of the piece with the lowest number among those that failed.
func inParallel(
  _ count: Int, workers: Int, _ body: @Sendable (Int) throws(TinctureError) -> Void
) throws(TinctureError) {
  let next = Atomic<Int>(0)
  let failures = Mutex<[Int: TinctureError]>([:])
  DispatchQueue.concurrentPerform(iterations: max(1, min(workers, count))) { _ in
    while true {
      let piece = next.wrappingAdd(1, ordering: .relaxed).oldValue
      guard piece < count else { return }
      do throws(TinctureError) { try body(piece) } catch {
        failures.withLock { $0[piece] = error }
        next.store(count, ordering: .relaxed)
      }
    }
  }
  let failed = failures.withLock { $0 }
  if let first = failed.keys.min(), let error = failed[first] { throw error }
}

/// Makes values on several threads.
///
/// - Parameters:
///   - count: How many values.
///   - workers: How many threads.
///   - make: Makes the value of a number.
/// - Returns: The values in the order of their numbers.
/// - Throws: The failure of the value with the lowest number among those that failed.
func parallelMap<Value: Sendable>(
  _ count: Int, workers: Int, _ make: @Sendable (Int) throws(TinctureError) -> Value
) throws(TinctureError) -> [Value] {
  let values = Mutex<[Value?]>(Array(repeating: nil, count: count))
  try inParallel(count, workers: workers) { (index) throws(TinctureError) in
    let value = try make(index)
    values.withLock { $0[index] = value }
  }
  return values.withLock { $0 }.compactMap(\.self)
}
