import Testing
import TinctureCheckpoints
import TinctureSafetensors
import TinctureTensors

@Suite("Mutated PyTorch checkpoints")
struct PyTorchMutationTests {
  /// A small generator, so that a failure can be repeated.
  struct Generator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
      state &+= 0x9E37_79B9_7F4A_7C15
      var mixed = state
      mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
      mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
      return mixed ^ (mixed >> 31)
    }
  }

  @Test(
    "Whatever bytes change, a file is refused or its tensors lie inside of it",
    arguments: [
      "views.pt", "parameters.pt", "integers.pt", "wrapped_protocol2.ckpt",
      "wrapped_protocol4.ckpt", "stream_protocol2.bin",
    ])
  func mutations(name: String) throws {
    let original = try PyTorchScratch.fixtureBytes(name)
    var generator = Generator(state: UInt64(original.count))
    var refused = 0
    for _ in 0..<1000 {
      var bytes = original
      for _ in 0..<Int.random(in: 1...4, using: &generator) {
        let index = Int.random(in: 0..<bytes.count, using: &generator)
        switch UInt8.random(in: 0..<5, using: &generator) {
        case 0: bytes[index] = UInt8.random(in: 0...255, using: &generator)
        case 1: bytes[index] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
        case 2: bytes[index] = [0, 0x7F, 0x80, 0xFF].randomElement(using: &generator) ?? 0
        case 3: bytes.remove(at: index)
        default: bytes.insert(bytes[Int.random(in: 0..<bytes.count, using: &generator)], at: index)
        }
      }
      do {
        try checkBounds(PyTorchScratch.open(bytes))
      } catch let error as TinctureError {
        #expect(error.code == .checkpoint)
        refused += 1
      }
    }
    #expect(refused > 300 && refused < 1000, "\(refused)")
  }

  private func checkBounds(_ file: PyTorchFile) {
    for tensor in file.tensors {
      var last = tensor.byteOffset
      if let strides = tensor.strides {
        for (extent, stride) in zip(tensor.shape.extents, strides) {
          last += (extent - 1) * stride * tensor.dtype.bitWidth / 8
        }
        last += tensor.dtype.bitWidth / 8
      } else {
        last += tensor.byteCount
      }
      #expect(tensor.byteOffset >= 0 && last <= file.file.size)
    }
  }
}
