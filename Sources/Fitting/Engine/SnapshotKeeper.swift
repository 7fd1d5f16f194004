internal import SystemPackage
internal import TinctureTensors

/// Writes snapshots from time to time; small ones are at hand after every round, to be written when a fit is
/// interrupted.
struct SnapshotKeeper {
  private let path: FilePath?
  private let interval: Duration
  private var written = ContinuousClock.now
  private var last: FitSnapshot?
  private var isSmall = true

  /// Bytes up to which a snapshot is made after every round.
  private static let smallSize = 8 << 20

  init(_ path: FilePath?, interval: Duration) {
    self.path = path
    self.interval = interval
  }

  /// A round is done.
  ///
  /// - Parameters:
  ///   - isLast: Whether no other follows; then the snapshot is written at once.
  ///   - make: Makes the snapshot.
  /// - Throws: What `make` throws, `io` when writing fails.
  mutating func keep(
    isLast: Bool, _ make: () throws(TinctureError) -> FitSnapshot
  ) throws(TinctureError) {
    guard let path else { return }
    let isDue = isLast || ContinuousClock.now - written >= interval
    guard isDue || isSmall else { return }
    let snapshot = try make()
    isSmall = snapshot.byteCount <= Self.smallSize
    last = isSmall ? snapshot : nil
    guard isDue else { return }
    try snapshot.write(to: path)
    written = ContinuousClock.now
  }

  /// Writes what the last round left, when it is at hand.
  func writeLast() throws(TinctureError) {
    if let path, let last { try last.write(to: path) }
  }
}
