package import TinctureTensors

/// Makes values at once and takes them one after another, in order.
///
/// No more values are made or wait to be taken than may be ahead.
///
/// - Parameters:
///   - count: How many values.
///   - workers: How many are made at a time.
///   - ahead: How many there may be that are not taken; by default twice as many as workers.
///   - make: Makes the value of a number.
///   - take: Takes a value; called in the order of the numbers, never at once.
/// - Throws: The failure that comes first by number, or what `take` throws.
package func inOrder<Value: Sendable>(
  _ count: Int, workers: Int, ahead: Int? = nil,
  make: @escaping @Sendable (Int) throws(TinctureError) -> Value,
  take: (Int, Value) throws(TinctureError) -> Void
) async throws(TinctureError) {
  typealias Outcome = (number: Int, result: Result<Value, TinctureError>)
  let failure = await withTaskGroup(of: Outcome.self) { group -> TinctureError? in
    let ahead = max(1, ahead ?? 2 * workers)
    var waiting: [Int: Result<Value, TinctureError>] = [:]
    var (started, taken, running) = (0, 0, 0)
    while taken < count {
      while started < count, running < workers, started - taken < ahead {
        let number = started
        group.addTask {
          do throws(TinctureError) {
            return (number, .success(try make(number)))
          } catch {
            return (number, .failure(error))
          }
        }
        started += 1
        running += 1
      }
      guard let outcome = await group.next() else { break }
      running -= 1
      waiting[outcome.number] = outcome.result
      while let result = waiting.removeValue(forKey: taken) {
        do throws(TinctureError) {
          try take(taken, try result.get())
        } catch { return error }
        taken += 1
      }
    }
    return nil
  }
  if let failure { throw failure }
}
