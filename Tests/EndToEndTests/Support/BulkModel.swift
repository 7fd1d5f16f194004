import Foundation

/// A model of many equal tensors, large enough that a merge of it takes a while.
struct BulkModel {
  var tensorCount = 24
  var rows = 512
  var columns = 512

  /// Writes the model; models of different seeds differ a little, like tuned ones.
  func write(_ folder: String, seed: Int, in workshop: Workshop) throws {
    let count = rows * columns
    // A short pattern, repeated: its length shares no factor with the size of a tensor.
    var common = Noise(0, "bulk")
    var own = Noise(seed, "bulk")
    let pattern = TinyTensor(
      .f32, [4099], (0..<4099).map { _ in common.next() + 0.01 * own.next() }
    ).bytes
    var data = Data(capacity: tensorCount * count * 4 + pattern.count)
    while data.count < tensorCount * count * 4 { data += pattern }
    let entries = (0..<tensorCount).map { layer in
      "\"model.layers.\(layer).mlp.up_proj.weight\":{\"dtype\":\"F32\",\"shape\":[\(rows),\(columns)],"
        + "\"data_offsets\":[\(layer * count * 4),\((layer + 1) * count * 4)]}"
    }
    try workshop.write(
      "\(folder)/model.safetensors",
      TinyModel.file(
        header: "{\(entries.joined(separator: ","))}",
        data: data.prefix(tensorCount * count * 4)))
  }
}
