internal import TinctureTensors

extension BankBuilder {
  /// The bytes of all tensors of some models.
  static func byteCount(of models: [any BankModel]) throws(TinctureError) -> Int {
    var bytes = 0
    for model in models {
      for name in model.names { bytes += try byteCount(of: name, in: [model]) }
    }
    return bytes
  }

  /// The bytes of a tensor in some models.
  static func byteCount(of name: String, in models: [any BankModel])
    throws(TinctureError) -> Int
  {
    var bytes = 0
    for model in models {
      if let source = try model.source(name) {
        bytes += source.shape.byteCount(of: source.dtype) ?? 0
      }
    }
    return bytes
  }
}
