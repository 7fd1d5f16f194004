import Testing
import TinctureTensors
import TinctureTorch

@Suite("Tensors of LibTorch", .needsLibTorch)
struct TensorTests {
  @Test("Arrays of every element type come back as they were")
  func arrays() throws {
    #expect(try TorchTensor([1.5 as Float, -2]).array() == [1.5 as Float, -2])
    #expect(try TorchTensor([1.5, -2]).array() == [1.5, -2])
    #expect(try TorchTensor([Int.max, -2]).array() == [Int.max, -2])
    #expect(try TorchTensor([Int64.min]).array() == [Int64.min])
    #expect(try TorchTensor([Int32.min, 5]).array() == [Int32.min, 5])
    #expect(try TorchTensor([UInt8.max, 5]).array() == [UInt8.max, 5])
    #expect(try TorchTensor([true, false]).array() == [true, false])
  }

  @Test("Elements are converted on the way to Swift")
  func conversion() throws {
    let tensor = try TorchTensor([1.75, -2, 300]).converted(to: .bf16)
    #expect(tensor.summary == "bf16[3]")
    #expect(try tensor.array(as: Float.self) == [1.75, -2, 300])
    #expect(try tensor.array(as: Int.self) == [1, -2, 300])
    #expect(try tensor.select(2, along: 0).item(as: Double.self) == 300)
  }

  @Test("Tensors tell their shape, dtype and device; empty ones and single numbers, too")
  func description() throws {
    let empty = try TorchTensor([Float](), shape: [0, 3])
    #expect(empty.shape == [0, 3] && empty.rank == 2 && empty.elementCount == 0)
    #expect(try empty.array(as: Float.self).isEmpty)
    #expect(try empty.sum().item(as: Float.self) == 0)
    let number = try TorchTensor(7)
    #expect(number.shape.isEmpty && number.elementCount == 1 && number.dtype == .i64)
    #expect(number.device == .cpu)
    #expect(
      try TorchTensor.zeros([2, 3], dtype: .f16).description == "TorchTensor f16[2, 3] on cpu")
  }

  @Test(
    "Every dtype with whole bytes that LibTorch knows holds raw memory", arguments: DType.allCases)
  func rawMemory(dtype: DType) throws {
    guard let width = dtype.byteWidth, dtype.torchName != nil, dtype != .f8e8m0 else { return }
    let bytes = (0..<UInt8(6 * width)).map { dtype == .bool ? $0 % 2 : $0 }
    let tensor = try bytes.withUnsafeBytes {
      try TorchTensor(copying: $0, shape: [2, 3], dtype: dtype)
    }
    #expect(tensor.dtype == dtype)
    // Views are read in their own order.
    try tensor.withBytes { #expect($0.elementsEqual(bytes)) }
    try tensor.transposed().transposed().withBytes { #expect($0.elementsEqual(bytes)) }
  }

  @Test("Values do not change under other tensors' feet")
  func values() throws {
    var numbers = [1.0, 2]
    let tensor = try TorchTensor(numbers)
    numbers[0] = 9
    let view = try tensor.reshaped([2, 1])
    let copy = tensor
    _ = try tensor + 1
    var parameters = [tensor]
    try TorchOptimizer(.sgd(), learningRate: 1, for: parameters).step(&parameters, [tensor])
    for same in [tensor, view, copy] { #expect(try same.array(as: Double.self) == [1, 2]) }
    #expect(try parameters[0].array(as: Double.self) == [0, 0])
  }

  @Test("What cannot be a tensor is refused")
  func refusals() throws {
    for shape in [[3], [2, 2], [-1, -2]] {
      let error = #expect(throws: TinctureError.self) { try TorchTensor([1.0, 2], shape: shape) }
      #expect(error?.message.contains("16 bytes cannot be a tensor f64") == true)
    }
    #expect(throws: TinctureError.self) { try TorchTensor([1.0, 2]).item(as: Double.self) }
    let error = #expect(throws: TinctureError.self) { try TorchTensor.zeros([2, -1]) }
    #expect(error?.message.contains("aten::zeros() failed") == true)
    #expect(throws: TinctureError.self) { try TorchTensor.zeros([1 << 50, 1 << 20]) }
    #expect(throws: TinctureError.self) { try TorchTensor.zeros([2], on: .cuda(77)) }
  }

  @Test("Numbers do not widen a tensor, and widen integers to single precision")
  func numbers() throws {
    for dtype in [DType.f32, .f64, .bf16, .f16] {
      for shape in [[], [2]] {
        let tensor = try TorchTensor.ones(shape, dtype: dtype)
        for result in [try tensor + 0.5, try 2 - tensor, try tensor * 3, try 1 / tensor] {
          #expect(result.dtype == dtype)
        }
        #expect(try tensor.power(2).dtype == dtype)
        #expect(try tensor.clamped(max: 0.5).dtype == dtype)
        #expect(try tensor.replacing(where: tensor .> 0, with: -1).dtype == dtype)
      }
    }
    #expect(try (TorchTensor([1, 2]) * 0.5).summary == "f32[2]")
    #expect(throws: TinctureError.self) {
      try TorchTensor([1]).sum(with: TorchTensor([1]), times: 0.5)
    }
  }

  @Test("Random numbers depend on the stream and the index alone")
  func randomness() throws {
    let random = CounterRandom(seed: 5, tensor: "t", purpose: "test")
    let whole = try TorchTensor.normal([20000], random).array(as: Double.self)
    let part = try TorchTensor.normal([100], random, from: 300).array(as: Double.self)
    #expect(Array(whole[300..<400]) == part)
    let mean = whole.reduce(0, +) / 20000
    let variance = whole.map { ($0 - mean) * ($0 - mean) }.reduce(0, +) / 20000
    #expect(abs(mean) < 0.03 && abs(variance - 1) < 0.05)
    let uniform = try TorchTensor.uniform([1000], random, low: -1, high: 3).array(as: Double.self)
    #expect(uniform.allSatisfy { $0 >= -1 && $0 < 3 } && abs(uniform.reduce(0, +) / 1000 - 1) < 0.1)
    let ones = try TorchTensor.ones([10000])
    let kept = try ones.dropout(0.2, random, from: 7).array(as: Float.self)
    #expect(Set(kept) == [0, 1.25])
    #expect(abs(Double(kept.filter { $0 == 0 }.count) / 10000 - 0.2) < 0.02)
  }
}
