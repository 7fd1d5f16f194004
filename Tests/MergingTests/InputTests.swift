import SystemPackage
import Testing
import TinctureCheckpoints
import TinctureMergeMethods
import TinctureMergeTesting
import TinctureMerging
import TinctureSafetensors
import TinctureTensors

@Suite("Reading inputs and copying them")
struct InputTests {
  /// A copy of one tensor, of a type and perhaps in another order.
  private static func copy(
    _ bytes: [UInt8], _ tensor: StoredTensor, as dtype: DType, cut: Int? = nil
  ) async throws -> [UInt8] {
    let scratch = try ScratchDirectory()
    let file = try InputFile(opening: scratch.write("input", bytes))
    let reader = StoredTensorReader(tensor, in: file, model: "model")
    let layout = OutputLayout(
      tensors: [.init(name: tensor.name, dtype: dtype, shape: tensor.shape)], shardSize: .max)
    let count = tensor.shape.elementCount
    let bounds = Array(stride(from: 0, to: count, by: cut ?? max(1, count)))
    let steps = bounds.map { start in
      MergeStep(
        index: 0, name: tensor.name, shape: tensor.shape, dtype: dtype,
        action: .copy(reader, reason: "a test"), base: nil, models: [], modelIndices: [],
        parameters: ResolvedParameters(), elements: start..<min(start + (cut ?? count), count),
        output: layout.places[0])
    }
    let plan = MergePlan(method: Linear(), steps: steps, layout: layout)
    let output = scratch.path.appending("out.safetensors")
    let writer = try CheckpointWriter.create(output, layout: layout, fingerprint: "f")
    let engine = MergeEngine(
      workers: 2, memoryLimit: 1 << 20, tuning: EngineTuning(windowBytes: 7, blockElements: 1))
    _ = try await engine.run(plan, into: writer)
    try writer.finish()
    let entry = try #require(try Checkpoint.open(output)[tensor.name])
    return try entry.file.bytes(at: entry.tensor.byteOffset, count: entry.tensor.byteCount)
  }

  @Test("A tensor of any type is copied byte for byte", arguments: DType.allCases)
  func bytes(dtype: DType) async throws {
    let shape = try #require(Shape([8, 25]))
    let count = try #require(shape.byteCount(of: dtype))
    let stored = (0..<count).map { UInt8(truncatingIfNeeded: $0 * 37 + 11) }
    let tensor = StoredTensor(name: "t", dtype: dtype, shape: shape, byteOffset: 3)
    let got = try await Self.copy([1, 2, 3] + stored, tensor, as: dtype)
    #expect(got == stored)
    if let width = dtype.byteWidth {
      #expect(
        try await Self.copy([1, 2, 3] + stored, tensor, as: dtype, cut: 7) == stored, "\(width)")
    }
  }

  @Test("A transposed tensor is written in row-major order")
  func transposed() async throws {
    let stored = (0..<60).map { Float($0) }
    let bytes = stored.withUnsafeBytes { [UInt8]($0) }
    let tensor = StoredTensor(
      name: "t", dtype: .f32, shape: try #require(Shape([3, 4, 5])), byteOffset: 0,
      strides: [1, 15, 3])
    let got = try await Self.copy(bytes, tensor, as: .f32, cut: 11)
    var expected: [Float] = []
    for i in 0..<3 {
      for j in 0..<4 {
        for k in 0..<5 { expected.append(Float(i + 15 * j + 3 * k)) }
      }
    }
    #expect(got == expected.withUnsafeBytes { [UInt8]($0) })
  }

  @Test("A tensor of another type is rounded on the way")
  func rounded() async throws {
    let stored: [Float] = [1, 1.00390625, 1.01171875, -3]
    let bytes = stored.withUnsafeBytes { [UInt8]($0) }
    let tensor = StoredTensor(name: "t", dtype: .f32, shape: Shape(vector: 4), byteOffset: 0)
    let got = try await Self.copy(bytes, tensor, as: .bf16)
    #expect(got == [0x80, 0x3F, 0x80, 0x3F, 0x82, 0x3F, 0x40, 0xC0])
  }

  @Test("Whole numbers cannot be written as floats")
  func incompatible() async throws {
    let tensor = StoredTensor(name: "t", dtype: .i32, shape: Shape(vector: 1), byteOffset: 0)
    let error = await #expect(throws: TinctureError.self) {
      try await Self.copy([0, 0, 0, 0], tensor, as: .f32)
    }
    #expect(error?.code == .checkpoint)
    #expect(error?.place.model == "model")
  }

  @Test("Inputs are rounded first where the recipe asks for it")
  func inputRounding() async throws {
    let values: [Float] = [1.00390625, 3, -1.01171875]
    var trial = MergeTrial(
      Linear(), base: nil, models: [TinyModel([.init("t", shape: Shape(vector: 3), values)])],
      parameters: try ResolvedParameters(for: Linear().info, ["weight": .number(1)], modelCount: 1))
    trial.inputRounding = .bf16
    #expect(try await trial.run().model["t"] == [1, 3, -1.015625])
  }

  @Test("A number that becomes infinite when it is rounded is found")
  func overflowingRounding() async throws {
    let values: [Float] = [1, 70_000]
    var trial = MergeTrial(
      Linear(), base: nil, models: [TinyModel([.init("t", shape: Shape(vector: 2), values)])],
      parameters: try ResolvedParameters(for: Linear().info, ["weight": .number(1)], modelCount: 1))
    trial.inputRounding = .f16
    let error = await #expect(throws: TinctureError.self) { try await trial.run() }
    #expect(error?.message.contains("Element 1 is inf") == true)
  }

  @Test("Doubles beyond single precision are not finite")
  func largeDoubles() async throws {
    let scratch = try ScratchDirectory()
    let bytes = [1.0, 1e300].withUnsafeBytes { [UInt8]($0) }
    let file = try InputFile(opening: scratch.write("input", bytes))
    let tensor = StoredTensor(name: "t", dtype: .f64, shape: Shape(vector: 2), byteOffset: 0)
    var values = ContiguousArray<Float>(repeating: 0, count: 2)
    var span = values.mutableSpan
    let largest = try StoredTensorReader(tensor, in: file, model: "m").read(
      0..<2, into: &span, window: ReadWindow(byteCount: 1))
    #expect(largest == 0x7f80_0000)
  }
}
