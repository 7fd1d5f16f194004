import Tincture

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Turns Ctrl-C and a request to terminate into an orderly end.
enum Signals {
  /// Raised by the first signal; the second ends the process at once.
  static let interruption = Interruption()

  static func install() {
    // Touch the flag now: a signal handler must not be the first to make it.
    guard !interruption.isRaised else { return }
    for number in [SIGINT, SIGTERM, SIGHUP] {
      signal(number) { _ in
        if Signals.interruption.isRaised { _exit(130) }
        Signals.interruption.raise()
      }
    }
    signal(SIGPIPE, SIG_IGN)
    // A file that outgrows a limit is reported as an error of the write.
    signal(SIGXFSZ, SIG_IGN)
  }
}
