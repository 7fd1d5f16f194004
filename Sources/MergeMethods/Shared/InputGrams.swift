internal import SystemPackage
internal import TinctureLinearAlgebra
internal import TinctureMerging
internal import TinctureSafetensors
internal import TinctureTensors

/// Gram matrices XᵀX of the inputs of layers, for each model and weight, read when they are needed.
struct InputGrams: Sendable {
  private var files: [Int: SafetensorsFile] = [:]
  private var entries: [Int: [String: StoredTensor]] = [:]

  /// Nothing is known.
  init() {}

  /// Opens the files of a folder.
  ///
  /// - Parameters:
  ///   - folder: The folder: `1.safetensors` is the file of the first model, and so on.
  ///   - models: The positions of the models among those of the recipe, in order, repetitions included.
  /// - Throws: `missingInput` for a file that is not there, `checkpoint` for one that is malformed.
  init(folder: String, models: [Int]) throws(TinctureError) {
    for (number, model) in Set(models).sorted().enumerated() {
      let file = try SafetensorsFile(
        opening: FilePath(folder).appending("\(number + 1).safetensors"))
      files[model] = file
      entries[model] = Dictionary(
        file.header.tensors.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    }
  }

  /// Whether there is a Gram matrix of a weight.
  func has(_ name: String, model: Int) -> Bool { entries[model]?[name] != nil }

  /// The Gram matrix of a weight's inputs.
  ///
  /// - Throws: `checkpoint` where it has not the extents of the inputs or an element is not finite.
  func matrix(_ name: String, model: Int, extent: Int) throws(TinctureError) -> Matrix<Double> {
    guard let file = files[model], let tensor = entries[model]?[name] else {
      throw TinctureError(
        .checkpoint, "There is no Gram matrix of the weight.", at: .init(tensor: name))
    }
    let place = TinctureError.Place(file: file.file.path.string, tensor: name)
    guard tensor.shape.extents == [extent, extent], tensor.dtype.isArithmetic else {
      throw TinctureError(
        .checkpoint,
        "The Gram matrix has the shape \(tensor.shape); the inputs of the weight have \(extent) elements.",
        at: place)
    }
    let reader = StoredTensorReader(tensor, in: file.file, model: "statistics")
    let window = ReadWindow(byteCount: 1 << 20)
    var result = Matrix<Double>(rows: extent, columns: extent)
    var values = ContiguousArray<Float>(repeating: 0, count: extent)
    for row in 0..<extent {
      var span = values.mutableSpan
      let largest = try reader.read(row * extent..<(row + 1) * extent, into: &span, window: window)
      guard largest < 0x7f80_0000 else {
        throw TinctureError(
          .checkpoint, "An element of the Gram matrix is not finite.", at: place)
      }
      TaskMatrices.add(values.span, times: 1, at: row * extent, to: &result)
    }
    return result
  }

  /// What differs when the files of a folder do: their sizes and times.
  static func marks(in folder: String) -> [UInt8] {
    var text = ""
    var number = 1
    while let file = try? InputFile(
      opening: FilePath(folder).appending("\(number).safetensors"))
    {
      text += "\(file.size) \(file.modification) "
      number += 1
    }
    return Array(text.utf8)
  }
}
