import TinctureTensors

/// The numbers by which LibTorch knows dtypes and kinds of devices.
///
/// LibTorch tells them through functions; they are not part of its stable interface.
struct TorchCodes: Sendable {
  private let codes: [DType: Int32]
  private let dtypes: [Int32: DType]
  private let deviceCodes: [TorchDevice.Kind: Int32]

  /// Asks for all numbers; dtypes that the version does not know are left out.
  ///
  /// - Throws: `missingFacility` when the library does not tell a device's number.
  init(resolvedIn library: DynamicLibrary, path: String) throws(TinctureError) {
    func number(_ name: String) -> Int32? {
      library.symbol(name).map { unsafeBitCast($0, to: (@convention(c) () -> Int32).self)() }
    }
    var codes: [DType: Int32] = [:]
    var dtypes: [Int32: DType] = [:]
    for dtype in DType.allCases {
      guard let name = dtype.torchName, let code = number("aoti_torch_dtype_\(name)") else {
        continue
      }
      codes[dtype] = code
      dtypes[code] = dtype
    }
    var devices: [TorchDevice.Kind: Int32] = [:]
    for kind in TorchDevice.Kind.allCases {
      guard let code = number("aoti_torch_device_type_\(kind.rawValue)") else {
        throw TinctureError(
          .missingFacility,
          "\(path) does not know the device \(kind.rawValue). " + LibTorchSearch.remedy)
      }
      devices[kind] = code
    }
    self.codes = codes
    self.dtypes = dtypes
    deviceCodes = devices
  }

  /// LibTorch's number of a dtype.
  ///
  /// - Throws: `engine` when this version has no such dtype.
  func code(_ dtype: DType) throws(TinctureError) -> Int32 {
    guard let code = codes[dtype] else {
      throw TinctureError(.engine, "LibTorch has no tensors of \(dtype.rawValue).")
    }
    return code
  }

  /// The dtype of a number.
  func dtype(_ code: Int32) -> DType? { dtypes[code] }

  /// LibTorch's number of a kind of device.
  func code(_ kind: TorchDevice.Kind) -> Int32 { deviceCodes[kind] ?? 0 }

  /// The kind of device of a number.
  func kind(_ code: Int32) -> TorchDevice.Kind? {
    deviceCodes.first { $0.value == code }?.key
  }
}
