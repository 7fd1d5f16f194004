internal import Synchronization

/// A value that is found out once; whoever comes first stores it, and all find the same.
final class Remembered<Value: Sendable>: Sendable {
  private let stored = Mutex<Value?>(nil)

  /// The value, when it is known.
  var value: Value? {
    get { stored.withLock { $0 } }
    set { stored.withLock { $0 = newValue } }
  }
}
