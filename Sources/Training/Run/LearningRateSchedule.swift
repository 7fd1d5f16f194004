#if canImport(Glibc)
  internal import Glibc
#else
  internal import Darwin
#endif

/// How the learning rate changes in the course of a run.
///
/// Up in a line over the first epochs, then by its shape. All times are in epochs, and the rate changes with every
/// step.
public struct LearningRateSchedule: Sendable, Hashable {
  /// What becomes of the rate after the first epochs.
  public enum Shape: Sendable, Hashable {
    /// It stays.
    case constant
    /// It is multiplied by a factor at each of some epochs.
    case steps(decays: [Double], factor: Double)
    /// It falls along a cosine to a share of itself.
    case cosine(final: Double)
    /// It falls in a line to a share of itself.
    case linear(final: Double)
  }

  /// What becomes of the rate.
  public var shape: Shape
  /// Over how many epochs it rises first.
  public var warmup: Double

  /// Creates a schedule.
  public init(_ shape: Shape = .constant, warmup: Double = 0) {
    self.shape = shape
    self.warmup = warmup
  }

  /// The epochs at which the rate falls suddenly.
  public var decays: [Double] { if case .steps(let decays, _) = shape { decays } else { [] } }

  /// What the learning rate of a step is multiplied by.
  ///
  /// - Parameters:
  ///   - step: The number of the step in the whole run, from 0.
  ///   - count: How many steps the run has.
  ///   - perEpoch: How many steps an epoch has.
  /// - Returns: A number from 0 to 1; in step s of w steps of warm-up it is (s + 1) / w.
  public func factor(_ step: Int, of count: Int, perEpoch: Int) -> Double {
    let rising = warmup * Double(perEpoch)
    if Double(step) < rising { return min(1, Double(step + 1) / rising) }
    let share = min(1, (Double(step) - rising) / max(1, Double(count) - rising))
    switch shape {
    case .constant: return 1
    case .steps(let decays, let factor):
      let epoch = Double(step) / Double(max(1, perEpoch))
      return decays.filter { $0 <= epoch }.reduce(1) { rate, _ in rate * factor }
    case .cosine(let final): return final + (1 - final) * 0.5 * (1 + cos(.pi * share))
    case .linear(let final): return final + (1 - final) * (1 - share)
    }
  }
}
