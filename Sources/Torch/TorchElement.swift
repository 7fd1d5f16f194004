public import TinctureTensors

/// A Swift type whose arrays become tensors and come back from them.
public protocol TorchElement: BitwiseCopyable, Sendable {
  /// The dtype with the same bits.
  static var torchDType: DType { get }
}

extension Float: TorchElement {
  /// Single precision.
  public static var torchDType: DType { .f32 }
}

extension Double: TorchElement {
  /// Double precision.
  public static var torchDType: DType { .f64 }
}

extension Int: TorchElement {
  /// Signed 64-bit integers.
  public static var torchDType: DType { .i64 }
}

extension Int64: TorchElement {
  /// Signed 64-bit integers.
  public static var torchDType: DType { .i64 }
}

extension Int32: TorchElement {
  /// Signed 32-bit integers.
  public static var torchDType: DType { .i32 }
}

extension UInt8: TorchElement {
  /// Unsigned 8-bit integers.
  public static var torchDType: DType { .u8 }
}

extension Bool: TorchElement {
  /// Truth values.
  public static var torchDType: DType { .bool }
}
