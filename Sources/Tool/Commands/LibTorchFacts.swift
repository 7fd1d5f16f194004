import Tincture

/// What `doctor` tells about LibTorch.
struct LibTorchFacts {
  /// Names and values, in the order in which they are shown.
  let facts: [(String, String)]

  /// Loads the library that a search finds and measures it.
  init(_ search: LibTorchSearch) {
    do throws(TinctureError) {
      let library = try LibTorch.load(search)
      let milliseconds = library.loadTime / .milliseconds(1)
      facts = [
        ("libtorch", "\(library.version) in \(library.finding.folder) (\(library.finding.origin))"),
        ("libtorch_load_time", "\(ByteSize.decimal(milliseconds, 0)) ms"),
        ("libtorch_threads", String(library.threadCount)),
        ("libtorch_devices", Self.devices(library)),
        ("libtorch_products", try Self.products()),
      ]
    } catch {
      facts = [("libtorch", "not in use: \(error.message)")]
    }
  }

  private static func devices(_ library: LibTorch) -> String {
    var names = ["cpu"] + (0..<library.cudaDeviceCount).map { TorchDevice.cuda($0).description }
    if (try? library.require(.mps)) != nil { names.append(TorchDevice.mps.description) }
    let problem = library.cudaProblem.map { " (no CUDA: \($0))" } ?? ""
    return names.joined(separator: ", ") + problem
  }

  /// The rate of products of matrices on the processor.
  private static func products() throws(TinctureError) -> String {
    let size = 1024
    let a = try TorchTensor.full([size, size], 0.5)
    var rates: [String] = []
    for (name, precision) in [("f32", ComputePrecision.full), ("bf16", .bf16)] {
      var best = Double.infinity
      for _ in 0..<4 {
        let start = ContinuousClock.now
        _ = try precision.scope { () throws(TinctureError) in try a.matmul(a) }
        best = min(best, (ContinuousClock.now - start) / .seconds(1))
      }
      let operations = 2 * Double(size * size * size)
      rates.append("\(name) \(ByteSize.decimal(operations / best / 1e9, 0))")
    }
    return rates.joined(separator: ", ") + " G operations/s"
  }
}
