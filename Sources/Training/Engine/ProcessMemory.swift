#if canImport(Glibc)
  internal import Glibc
#else
  internal import Darwin
#endif
internal import SystemPackage

/// The greatest resident memory of this process.
enum ProcessMemory {
  /// Begins to measure anew, where the system allows it; otherwise the peak is that since the start.
  static func restart() {
    #if os(Linux)
      guard
        let file = try? FileDescriptor.open(
          "/proc/self/clear_refs", .writeOnly, options: .closeOnExec)
      else { return }
      _ = try? file.closeAfter { try file.writeAll(Array("5".utf8)) }
    #endif
  }

  /// The peak in bytes; nil where the system does not tell.
  static var peak: Int? {
    #if os(Linux)
      guard
        let file = try? FileDescriptor.open("/proc/self/status", .readOnly, options: .closeOnExec)
      else { return nil }
      var bytes = [UInt8](repeating: 0, count: 1 << 14)
      let count = try? file.closeAfter {
        try bytes.withUnsafeMutableBytes { try file.read(into: $0) }
      }
      let text = String(decoding: bytes.prefix(count ?? 0), as: UTF8.self)
      for line in text.split(separator: "\n") where line.hasPrefix("VmHWM:") {
        return line.split(whereSeparator: { $0 == " " || $0 == "\t" }).dropFirst().first
          .flatMap { Int($0) }.map { $0 << 10 }
      }
      return nil
    #else
      var usage = rusage()
      guard getrusage(RUSAGE_SELF, &usage) == 0 else { return nil }
      return Int(usage.ru_maxrss)
    #endif
  }
}
