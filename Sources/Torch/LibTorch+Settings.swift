public import TinctureTensors

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

extension LibTorch {
  /// The number of threads that one operator on the processor uses.
  ///
  /// Sums are split by the number of threads, so their last bits depend on it. It is set once, before
  /// operators run on several threads: a thread that has already run one may keep its number. From then on
  /// LibTorch keeps MKL from choosing, and attention of a few tokens takes twice as long as with the same number
  /// given to ``load(_:threads:)``.
  public var threadCount: Int {
    get {
      var count: UInt32 = 1
      _ = functions.threadCount(&count)
      return Int(count)
    }
    set { functions.setThreadCount(Int32(clamping: Swift.max(1, newValue))) }
  }

  /// Makes operators give the same bits in every run on the same machine, or refuse.
  ///
  /// On the processor the operators of this module do so anyway, as long as ``threadCount`` stays; on a GPU
  /// some have a faster form that does not. There the setting must come before the first product of
  /// matrices.
  ///
  /// - Parameter isOn: Whether only such operators may run.
  /// - Throws: `missingFacility` when this LibTorch has no such setting.
  public func setDeterministic(_ isOn: Bool) throws(TinctureError) {
    guard let context = functions.context, let set = functions.setDeterministic else {
      throw TinctureError(
        .missingFacility,
        "LibTorch \(version) in \(finding.folder) has no deterministic mode. "
          + LibTorchSearch.remedy)
    }
    // CUDA's matrix products are reproducible only with a workspace of a fixed size.
    if isOn { setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", 0) }
    set(context(), isOn, false)
  }

  /// The number of CUDA devices that can be used.
  public var cudaDeviceCount: Int { functions.cudaDeviceCount?() ?? 0 }

  /// Makes sure that a device can be used.
  ///
  /// - Throws: `missingFacility` that says why not.
  public func require(_ device: TorchDevice) throws(TinctureError) {
    let reason: String
    switch device.kind {
    case .cpu: return
    case .cuda:
      let count = cudaDeviceCount
      if device.index < count { return }
      reason =
        count > 0
        ? "there are only \(count) CUDA devices"
        : cudaProblem ?? "it is a build without CUDA, or the driver shows no device"
    case .mps:
      if functions.hasMetal?() ?? false { return }
      reason = "it sees no Metal device"
    }
    throw TinctureError(
      .missingFacility,
      "LibTorch \(version) in \(finding.folder) cannot use the device \(device): \(reason).")
  }
}
