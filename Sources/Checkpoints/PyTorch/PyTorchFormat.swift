import SystemPackage
import TinctureSafetensors
import TinctureTensors

/// The two formats of `torch.save` that are read.
enum PyTorchFormat {
  /// A zip archive, since PyTorch 1.6.
  case archive
  /// A sequence of pickles and raw data, before.
  case stream

  /// Tells the format by the first bytes.
  ///
  /// - Throws: `checkpoint` when the file is something else, with what to do about it.
  init(of file: InputFile) throws(TinctureError) {
    let head = try file.bytes(at: 0, count: min(file.size, 512))
    if head.starts(with: "PK".utf8) {
      self = .archive
    } else if head.first == PickleOpcode.proto.rawValue {
      self = .stream
    } else if head.isEmpty {
      throw file.failure("The file is empty; download or copy it again.")
    } else if head.starts(with: "version https://git-lfs".utf8) {
      throw file.failure(
        "The file is a pointer of Git LFS, not the checkpoint; fetch the data with 'git lfs pull'.")
    } else if head.count >= 262, head[257..<262].elementsEqual("ustar".utf8) {
      throw file.failure(
        "The file is a checkpoint in the tar format of PyTorch before 0.1.10; load it with PyTorch"
          + " and save it again with torch.save.")
    } else if head.count >= 9, head[8] == UInt8(ascii: "{") {
      throw file.failure(
        "The file looks like safetensors; give it a name that ends in .safetensors.", at: 0)
    } else {
      throw file.failure(
        "The file is no checkpoint of PyTorch: it starts with neither a zip archive nor a pickle.",
        at: 0)
    }
  }
}
