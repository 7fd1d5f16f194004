internal import Synchronization
public import TinctureTensors

/// A flag that asks a merge to stop at the next block.
///
/// A signal handler may set it: it is one atomic store.
public final class Interruption: Sendable {
  private let raised = Atomic<Bool>(false)

  /// Creates a flag that is not raised.
  public init() {}

  /// Asks the merge to stop.
  public func raise() { raised.store(true, ordering: .relaxed) }

  /// Whether the merge was asked to stop.
  public var isRaised: Bool { raised.load(ordering: .relaxed) }

  /// Ends what is being done when the flag is raised.
  ///
  /// - Throws: `interrupted`.
  public func check() throws(TinctureError) {
    if isRaised { throw TinctureError(.interrupted, "The work was interrupted.") }
  }
}
