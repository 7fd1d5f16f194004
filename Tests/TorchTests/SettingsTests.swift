import Testing
import TinctureTensors
import TinctureTorch

@Suite("Settings of LibTorch", .needsLibTorch)
struct SettingsTests {
  @Test("The number of threads is what was set, and results do not depend on when it is set")
  func threads() async {
    await #expect(processExitsWith: .success) {
      let library = try LibTorch.current()
      for count in [1, 3, 2] {
        library.threadCount = count
        #expect(library.threadCount == count)
      }
      library.threadCount = 0
      #expect(library.threadCount == 1)
    }
  }

  @Test("In deterministic mode two trainings give the same bits")
  func determinism() async {
    await #expect(processExitsWith: .success) {
      let library = try LibTorch.current()
      try library.setDeterministic(true)
      library.threadCount = 2
      func train() throws -> [[Float]] {
        let random = CounterRandom(seed: 3, tensor: "w", purpose: "test")
        let x = try TorchTensor.normal([64, 100], random, from: 1 << 20)
        let labels = try TorchTensor((0..<64).map { $0 % 10 })
        let indices = try TorchTensor((0..<64).map { $0 * 7 % 32 })
        var parameters = try [
          TorchTensor.normal([300, 100], random),
          TorchTensor.normal([10, 300], random, from: 30000),
          TorchTensor.normal([32, 300], random, from: 33000),
        ].map { try $0.requiringGradient() }
        let optimizer = try TorchOptimizer(.adam(), learningRate: 0.01, for: parameters)
        for step in 0..<20 {
          let hidden = try x.linear(weight: parameters[0]).gelu()
          let mixed = try (hidden + indices.embedding(weight: parameters[2]))
            .dropout(0.1, random, from: 1 << 24 + step * hidden.elementCount)
          let loss = try mixed.linear(weight: parameters[1]).crossEntropy(labels)
          try optimizer.step(&parameters, gradients(of: loss, withRespectTo: parameters))
        }
        return try parameters.map { try $0.array() }
      }
      let first = try train()
      #expect(try train() == first)
      try library.setDeterministic(false)
    }
  }

  @Test("In bf16 products are rounded, the dtype stays, and gradients flow")
  func precision() throws {
    let random = CounterRandom(seed: 4, tensor: "x", purpose: "test")
    let x = try TorchTensor.normal([8, 64], random)
    let w = try TorchTensor.normal([16, 64], random, from: 1000).requiringGradient()
    let image = try TorchTensor.normal([2, 3, 8, 8], random, from: 5000)
    let filters = try TorchTensor.normal([4, 3, 3, 3], random, from: 9000)
    let heads = try TorchTensor.normal([1, 2, 8, 16], random, from: 12000)
    let products: [() throws -> TorchTensor] = [
      { try x.linear(weight: w) },
      { try x.linear(weight: w, bias: TorchTensor.ones([16])) },
      { try x.matmul(w.transposed()) },
      { try image.conv2d(weight: filters) },
      { try heads.attention(key: heads, value: heads) },
    ]
    for product in products {
      let full = try product()
      let rounded = try ComputePrecision.bf16.scope { () throws(TinctureError) in
        do { return try product() } catch { throw error as? TinctureError ?? .init(.engine, "") }
      }
      #expect(rounded.summary == full.summary)
      let values = try full.array(as: Double.self)
      let scale = values.map(abs).max() ?? 1
      let error = zip(values, try rounded.array(as: Double.self)).map { abs($0 - $1) }.max() ?? 0
      #expect(error > 0 && error < 0.02 * scale)
    }
    let loss = try ComputePrecision.bf16.scope { () throws(TinctureError) in
      try x.linear(weight: w).sum()
    }
    let gradient = try gradients(of: loss, withRespectTo: [w])[0]
    #expect(gradient.summary == "f32[16, 64]")
    #expect(ComputePrecision.current == .full)
  }

  @Test("Double precision and integers stay as they are in bf16")
  func exact() throws {
    let x = try TorchTensor([1.0 / 3, 3], shape: [1, 2])
    let product = try ComputePrecision.bf16.scope { () throws(TinctureError) in
      try x.matmul(x.transposed())
    }
    #expect(try product.item(as: Double.self) == 1.0 / 9 + 9)
  }

  @Test("A device that is not there is a missing facility")
  func devices() throws {
    let library = try LibTorch.current()
    try library.require(.cpu)
    let device = TorchDevice.cuda(library.cudaDeviceCount)
    let error = #expect(throws: TinctureError.self) { try library.require(device) }
    #expect(error?.code == .missingFacility)
    #expect(error?.message.contains("cannot use the device cuda:") == true)
  }
}
