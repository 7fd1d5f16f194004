public import SystemPackage
public import TinctureSafetensors
public import TinctureTensors
public struct PyTorchFile: Sendable { public let file: InputFile; public let tensors: [StoredTensor]
 public init(opening path: FilePath) throws(TinctureError) { file = try InputFile(opening: path); tensors = [] } }
