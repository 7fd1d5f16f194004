#if os(Linux)
  import Foundation
  import Testing
  import TinctureTensors

  @Suite("Freed memory")
  struct FreedMemoryTests {
    @Test("Is kept where the program allows it, until there is more than the limit")
    func keptUpToLimit() async {
      await #expect(processExitsWith: .success) {
        keepFreedMemory()
        let before = residentMegabytes()
        useBlocks()
        #expect(residentMegabytes() - before > 100, "What is freed was given back at once.")
        FreedMemory.release(above: 1 << 40)
        #expect(residentMegabytes() - before > 100, "Below the limit nothing is given back.")
        FreedMemory.release(above: 50 << 20)
        #expect(residentMegabytes() - before < 20, "Above the limit everything is given back.")
      }
    }

    @Test("Is given back at once where the program does not allow to keep it")
    func givenBack() async {
      await #expect(processExitsWith: .success) {
        FreedMemory.keep()
        let before = residentMegabytes()
        let during = useBlocks()
        #expect(during - before > 100, "The blocks were never in memory.")
        #expect(residentMegabytes() - before < 20)
      }
    }
  }

  /// Keeps freed memory in this process, whatever the user has set in the environment, which goes before.
  func keepFreedMemory() {
    for name in [
      "MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_ARENA_MAX", "GLIBC_TUNABLES",
    ] { unsetenv(name) }
    FreedMemory.allowKeeping()
    FreedMemory.keep()
  }

  /// Takes, fills and frees twenty-two blocks of eight megabytes; tells what is resident meanwhile.
  ///
  /// A thread that began before the program chose one arena has heaps of 64 MB, each with room for seven. Of the last
  /// of them glibc gives nothing back, so that one block may stay; the program's own threads begin later.
  @discardableResult
  private func useBlocks() -> Int {
    let blocks = (0..<22).map { _ in
      UnsafeMutableRawPointer.allocate(byteCount: 8 << 20, alignment: 16)
    }
    for block in blocks { block.initializeMemory(as: UInt8.self, repeating: 1, count: 8 << 20) }
    defer { for block in blocks { block.deallocate() } }
    return residentMegabytes()
  }

  private func residentMegabytes() -> Int {
    guard let text = try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8) else {
      return 0
    }
    let pages = text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
    return pages * Int(getpagesize()) / 1_048_576
  }
#endif
