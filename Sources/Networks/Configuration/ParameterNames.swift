import TinctureTensors

/// Lists of the weight and the bias of layers, for ``Network/parameterShapes``.
extension [ParameterShape] {
  /// Adds `NAME.weight` and, unless told otherwise, `NAME.bias` with the weight's first extent.
  mutating func append(layer name: String, _ extents: [Int], bias: Bool = true) {
    append(ParameterShape(name + ".weight", extents))
    if bias { append(ParameterShape(name + ".bias", [extents[0]])) }
  }

  /// Adds `NAME.weight`, `NAME.bias`, `NAME.running_mean` and `NAME.running_var`.
  mutating func append(batchNorm name: String, _ channels: Int) {
    for part in ["weight", "bias", "running_mean", "running_var"] {
      append(ParameterShape("\(name).\(part)", [channels]))
    }
  }
}

/// The name of something within a module; an empty module is the whole model.
func qualified(_ module: String, _ name: String) -> String {
  module.isEmpty ? name : name.isEmpty ? module : module + "." + name
}

/// The module in which a model has a parameter.
///
/// - Parameters:
///   - suffix: The parameter's name within the module.
///   - names: The model's tensors.
/// - Returns: The module without a dot at its end, empty for the whole model; nil when there is none.
/// - Throws: `checkpoint` when there are several.
func module(
  of suffix: String, in names: some Collection<String>
) throws(TinctureError) -> String? {
  var modules: [String] = []
  for name in names {
    if name == suffix {
      modules.append("")
    } else if name.hasSuffix("." + suffix) {
      modules.append(String(name.dropLast(suffix.count + 1)))
    }
  }
  guard modules.count < 2 else {
    let listed = modules.sorted().prefix(3).map { qualified($0, suffix) }
    throw TinctureError(
      .checkpoint,
      "The model has several tensors \(suffix): \(listed.joined(separator: ", ")); the network cannot"
        + " tell which part of the model is meant.")
  }
  return modules.first
}
