import TinctureTensors

/// The threads that LibTorch's operators share their work among: OpenMP's, which wait for each other awake.
///
/// Other threads beside them would have to be woken for each operator and would take processors from those that wait.
struct OperatorThreads: Sendable {
  typealias Body = @convention(c) (UnsafeMutableRawPointer?) -> Void
  private let fork: @convention(c) (Body, UnsafeMutableRawPointer?, UInt32, UInt32) -> Void
  private let number: @convention(c) () -> Int32
  private let count: @convention(c) () -> Int32
  private let isForked: @convention(c) () -> Int32

  /// Resolves the functions of the OpenMP library that LibTorch is linked with; nil when it has none.
  init?(resolvedIn library: DynamicLibrary) {
    guard let fork = library.symbol("GOMP_parallel"),
      let number = library.symbol("omp_get_thread_num"),
      let count = library.symbol("omp_get_num_threads"),
      let isForked = library.symbol("omp_in_parallel")
    else { return nil }
    self.fork = unsafeBitCast(fork, to: type(of: self.fork))
    self.number = unsafeBitCast(number, to: type(of: self.number))
    self.count = unsafeBitCast(count, to: type(of: self.count))
    self.isForked = unsafeBitCast(isForked, to: type(of: self.isForked))
  }

  /// Runs a body on several threads at once and waits for all of them.
  ///
  /// - Parameters:
  ///   - threads: How many; one when this is called on one of several.
  ///   - body: The work; it gets the number of its thread and how many there are.
  func run(on threads: Int, _ body: (_ thread: Int, _ count: Int) -> Void) {
    guard threads > 1, isForked() == 0 else { return body(0, 1) }
    withoutActuallyEscaping(body) { body in
      var share = Share(number: number, count: count, body: body)
      withUnsafeMutablePointer(to: &share) { share in
        fork(
          { share in
            guard let share = share?.assumingMemoryBound(to: Share.self) else { return }
            share.pointee.body(Int(share.pointee.number()), Int(share.pointee.count()))
          }, share, UInt32(clamping: threads), 0)
      }
    }
  }

  private struct Share {
    let number: @convention(c) () -> Int32
    let count: @convention(c) () -> Int32
    let body: (Int, Int) -> Void
  }
}
