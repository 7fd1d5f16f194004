import TinctureTensors

/// A class or function that a pickle may name.
///
/// None of them is ever run; calling one here only describes a tensor, makes a container, or makes
/// an opaque value.
enum PickleGlobal: Sendable, Hashable {
  case dictionaryClass
  case sizeClass
  /// `_rebuild_tensor(storage, offset, size, stride)` and its second version.
  case tensorOfStorage
  /// The third version, which states the type.
  case tensorOfUntypedStorage
  /// Wraps a tensor and says that it is trained.
  case parameter
  /// Wraps the call that makes a tensor, and says which subclass it is.
  case tensorOfSubclass
  case elementType(PickleElementType)
  case storageClass(PickleElementType)
  /// Makes a value that no tensor needs.
  case harmless

  /// Looks a name up in the list of what is allowed.
  init?(module: String, name: String) {
    let allowed: PickleGlobal? =
      switch module {
      case "collections": Self.collections[name]
      case "builtins", "__builtin__": Self.builtins[name]
      case "torch._utils": Self.rebuilders[name]
      case "torch._tensor": name == "_rebuild_from_type_v2" ? .tensorOfSubclass : nil
      case "torch": Self.torchMember(name)
      case "torch.storage": Self.storageClass(name)
      case "torch.cuda": Self.storageClass(name)
      case "torch.nn.parameter": name == "Parameter" ? .harmless : nil
      case "torch.serialization": name == "_get_layout" ? .harmless : nil
      case "numpy.core.multiarray", "numpy._core.multiarray":
        ["scalar", "_reconstruct"].contains(name) ? .harmless : nil
      case "numpy.core.numeric", "numpy._core.numeric": name == "_frombuffer" ? .harmless : nil
      case "numpy": ["dtype", "ndarray"].contains(name) ? .harmless : nil
      case "_codecs": name == "encode" ? .harmless : nil
      case "argparse": name == "Namespace" ? .harmless : nil
      default: nil
      }
    guard let allowed else { return nil }
    self = allowed
  }

  private static let collections: [String: PickleGlobal] = [
    "OrderedDict": .dictionaryClass, "defaultdict": .dictionaryClass,
  ]

  private static let builtins: [String: PickleGlobal] = [
    "dict": .dictionaryClass, "list": .harmless, "set": .harmless, "frozenset": .harmless,
    "int": .harmless, "float": .harmless, "complex": .harmless, "bytes": .harmless,
    "bytearray": .harmless,
  ]

  private static let rebuilders: [String: PickleGlobal] = [
    "_rebuild_tensor": .tensorOfStorage, "_rebuild_tensor_v2": .tensorOfStorage,
    "_rebuild_tensor_v3": .tensorOfUntypedStorage, "_rebuild_parameter": .parameter,
    "_rebuild_parameter_with_state": .parameter,
  ]

  private static func torchMember(_ name: String) -> PickleGlobal? {
    if name == "Size" { return .sizeClass }
    if name == "device" || name == "Tensor" { return .harmless }
    if name.hasSuffix("Storage") { return storageClass(name) }
    if let type = DType.allCases.first(where: { $0.torchName == name }) {
      return .elementType(.known(type))
    }
    return otherTypes.contains(name) ? .elementType(.unsupported("torch." + name)) : nil
  }

  private static let otherTypes: Set<String> = [
    "complex32", "complex128", "qint8", "quint8", "qint32", "quint4x2", "quint2x4",
    "float4_e2m1fn_x2", "bits8", "bits16", "bits1x8", "bits2x4", "bits4x2",
    "uint1", "uint2", "uint3", "uint4", "uint5", "uint6", "uint7",
    "int1", "int2", "int3", "int4", "int5", "int6", "int7",
  ]

  private static func storageClass(_ name: String) -> PickleGlobal? {
    storageTypes[name].map { .storageClass($0) }
  }

  private static let storageTypes: [String: PickleElementType] = [
    "UntypedStorage": .untyped, "_UntypedStorage": .untyped, "DoubleStorage": .known(.f64),
    "FloatStorage": .known(.f32),
    "HalfStorage": .known(.f16), "BFloat16Storage": .known(.bf16), "LongStorage": .known(.i64),
    "IntStorage": .known(.i32), "ShortStorage": .known(.i16), "CharStorage": .known(.i8),
    "ByteStorage": .known(.u8), "BoolStorage": .known(.bool),
    "ComplexFloatStorage": .known(.c64), "Float8_e4m3fnStorage": .known(.f8e4m3),
    "Float8_e5m2Storage": .known(.f8e5m2),
    "ComplexDoubleStorage": .unsupported("torch.complex128"),
    "QInt8Storage": .unsupported("torch.qint8"), "QUInt8Storage": .unsupported("torch.quint8"),
    "QInt32Storage": .unsupported("torch.qint32"),
    "QUInt4x2Storage": .unsupported("torch.quint4x2"),
    "QUInt2x4Storage": .unsupported("torch.quint2x4"),
  ]
}
