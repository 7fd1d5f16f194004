/// How the step size changes in the course of learning.
public enum LearningSchedule: Sendable, Hashable {
  /// Not at all.
  case constant
  /// Up in a line over the first steps, then down along a cosine to zero.
  case cosine(warmup: Int)
  /// Down along a cosine, again and again, each time over more steps.
  case restarts(period: Int, factor: Int)

  /// What the step size is multiplied by.
  ///
  /// - Parameters:
  ///   - step: The number of the step, from 0.
  ///   - count: How many steps there are.
  /// - Returns: A number from 0 to 1.
  public func factor(_ step: Int, of count: Int) -> Double {
    switch self {
    case .constant: return 1
    case .cosine(let warmup):
      if step < warmup { return Double(step + 1) / Double(warmup) }
      let share = Double(step - warmup) / Double(max(1, count - warmup))
      return 0.5 * (1 + cosineOf(.pi * min(1, share)))
    case .restarts(let period, let factor):
      var (start, length) = (0, max(1, period))
      while step >= start + length {
        start += length
        length *= max(1, factor)
      }
      return 0.5 * (1 + cosineOf(.pi * Double(step - start) / Double(length)))
    }
  }
}
