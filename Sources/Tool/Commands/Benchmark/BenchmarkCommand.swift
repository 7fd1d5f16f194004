import ArgumentParser
import SystemPackage
import Tincture

struct BenchmarkCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "benchmark",
    abstract: "Measure how fast this machine codes weights and runs networks.",
    discussion: """
      Rates of codecs are of one processor, in bytes of float32 elements a second, \
      whatever the codes take. Nothing else should run meanwhile.

      EXAMPLE
        tincture benchmark codecs
        tincture benchmark bank experts.bank --json
      """,
    subcommands: [
      BenchmarkCodecsCommand.self, BenchmarkBankCommand.self, BenchmarkNetworkCommand.self,
    ])
}

struct BenchmarkCodecsCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "codecs",
    abstract: "Measure the kernels of the codecs against copying memory.",
    discussion: """
      Elements lie in memory and not in a cache: encoding reads them, decoding \
      writes them, add and dot take codes and elements together. Each rate is the \
      best of three.

      EXAMPLE
        tincture benchmark codecs --size 1GB
      """)

  @Option(help: "Bytes of the float32 elements; three times as much memory is used.")
  var size = ByteSize(256_000_000)

  @OptionGroup(title: "Display") var display: DisplayOptions

  func validate() throws {
    if !(1_000_000...64_000_000_000).contains(size.bytes) {
      throw ValidationError("--size must be from 1MB to 64GB.")
    }
  }

  func run() async throws {
    try await Console.reporting { () async throws(TinctureError) in
      Signals.install()
      let rates = try CodecRates.measure(elements: size.bytes / 4)
      if display.json {
        Console.result(rates.json.text())
      } else {
        Console.result(rates.text)
      }
    }
  }
}

struct BenchmarkBankCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bank",
    abstract: "Measure how fast the vectors of a bank are read and decoded.",
    discussion: """
      Decodes every stored vector once, block by block, and drops the elements. \
      Read the bank before if it is to come from the page cache.

      EXAMPLE
        tincture benchmark bank experts.bank
      """)

  @Argument(help: "The bank.")
  var bank: String

  @OptionGroup(title: "Display") var display: DisplayOptions

  func run() async throws {
    try await Console.reporting { () async throws(TinctureError) in
      Signals.install()
      let opened = try ExpertBank(opening: FilePath(bank))
      let start = ContinuousClock.now
      let elements = try Self.decode(opened)
      let seconds = max(1e-9, (ContinuousClock.now - start) / .seconds(1))
      let rate = 4 * Double(elements) / seconds
      if display.json {
        let document = JSONObject([
          ("path", .string(bank)), ("elements", .integer(elements)),
          ("seconds", .number(String(seconds))), ("bytes_per_second", .number(String(rate))),
        ])
        Console.result(JSONValue.object(document).text())
      } else {
        Console.result(
          "\(bank): \(elements) elements in \(ByteSize.decimal(seconds, 2)) s, "
            + "\(ByteSize.decimal(rate / 1e9, 2)) GB/s of float32")
      }
    }
  }

  /// Decodes all vectors; returns the number of elements.
  private static func decode(_ bank: ExpertBank) throws(TinctureError) -> Int {
    var block = ContiguousArray<Float>(repeating: 0, count: 1 << 14)
    var elements = 0
    for tensor in bank.manifest.records.keys.sorted() {
      for owner in (bank.manifest.records[tensor] ?? [:]).keys.sorted() {
        guard let vector = bank.vector(tensor, of: owner), vector.record.dtype.isArithmetic
        else { continue }
        try Signals.interruption.check()
        let count = vector.record.shape.elementCount
        for start in stride(from: 0, to: count, by: block.count) {
          let range = start..<min(start + block.count, count)
          var all = block.mutableSpan
          var span = all._mutatingExtracting(0..<range.count)
          try vector.decode(range, into: &span)
        }
        elements += count
      }
    }
    return elements
  }
}
