import Testing
import TinctureTensors
import TinctureTorch

@Suite("Gradients", .needsLibTorch)
struct GradientTests {
  @Test("The gradient of ½‖Wx − y‖² is (Wx − y)xᵀ")
  func leastSquares() throws {
    let w = try TorchTensor([1.0, 2, 3, 4, 5, 6], shape: [2, 3]).requiringGradient()
    let x = try TorchTensor([1.0, -1, 2], shape: [3, 1])
    let r = try w.matmul(x) - TorchTensor([1.0, 1], shape: [2, 1])
    let loss = try (r * r).matmul(TorchTensor([0.5], shape: [1, 1]))
    let total = try TorchTensor([1.0, 1], shape: [1, 2]).matmul(loss)
    let gradient = try gradients(of: total, withRespectTo: [w])[0]
    #expect(try r.array(as: Double.self) == [4, 10])
    #expect(try gradient.array(as: Double.self) == [4, -4, 8, 10, -10, 20])
    #expect(try total.item(as: Double.self) == 58)
  }

  @Test("A wrong shape is an error with the operator, the dtypes and the shapes")
  func wrongShape() throws {
    let a = try TorchTensor.zeros([2, 3])
    let b = try TorchTensor.zeros([4, 5])
    let error = #expect(throws: TinctureError.self) { try a.matmul(b) }
    let message = error?.message ?? ""
    #expect(message.hasPrefix("aten::matmul(f32[2, 3], f32[4, 5]) failed: "))
    // Older versions tell the reason to standard error only.
    if try LibTorchFixture.isAtLeast(minor: 13) {
      #expect(message.hasSuffix(": mat1 and mat2 shapes cannot be multiplied (2x3 and 4x5)"))
    }
    #expect(error?.code == .engine)
  }

  @Test("Gradients do not add up over calls, and a kept graph can be used again")
  func repeated() throws {
    let x = try TorchTensor([2.0]).requiringGradient()
    let loss = try (x * x * x).sum()
    let first = try gradients(of: loss, withRespectTo: [x], keepingGraph: true)
    let second = try gradients(of: loss, withRespectTo: [x])
    for gradient in first + second { #expect(try gradient.item(as: Double.self) == 12) }
    let error = #expect(throws: TinctureError.self) {
      try gradients(of: loss, withRespectTo: [x])
    }
    if try LibTorchFixture.isAtLeast(minor: 13) {
      #expect(error?.message.contains("a second time") == true)
    }
  }

  @Test("Gradients reach computed tensors, views and several parameters at once")
  func intermediate() throws {
    let x = try TorchTensor([1.0, 2, 3, 4], shape: [2, 2]).requiringGradient()
    let y = try x.transposed() * 3
    let z = try TorchTensor([5.0]).requiringGradient()
    let loss = try (y.select(0, along: 0) * z).sum()
    let found = try gradients(of: loss, withRespectTo: [z, y, x, y])
    let values = try found.map { try $0.array(as: Double.self) }
    #expect(values == [[12], [5, 5, 0, 0], [15, 0, 15, 0], [5, 5, 0, 0]])
  }

  @Test("A parameter on which the loss does not depend gets zeros of its shape and dtype")
  func independent() throws {
    let x = try TorchTensor([1.0]).requiringGradient()
    let other = try TorchTensor.ones([2, 3]).converted(to: .bf16).requiringGradient()
    let gradient = try gradients(of: x.sum(), withRespectTo: [x, other])[1]
    #expect(gradient.summary == "bf16[2, 3]" && !gradient.requiresGradient)
    #expect(try gradient.array(as: Float.self) == [Float](repeating: 0, count: 6))
  }

  @Test("Constants have no gradients: detached tensors and what is computed without")
  func constants() throws {
    let x = try TorchTensor([1.0]).requiringGradient()
    #expect(x.requiresGradient)
    let double = try withoutGradients { () throws(TinctureError) in try x + x }
    #expect(!double.requiresGradient)
    #expect(throws: TinctureError.self) {
      try withoutGradients { () throws(TinctureError) in
        throw TinctureError(.engine, "in the middle")
      }
    }
    #expect(try (x + x).requiresGradient)
    let detached = try (x + x).detached()
    #expect(!detached.requiresGradient)
    let loss = try (detached * x).sum()
    #expect(try gradients(of: loss, withRespectTo: [x])[0].item(as: Double.self) == 2)
    let error = #expect(throws: TinctureError.self) {
      try gradients(of: loss, withRespectTo: [detached])
    }
    #expect(error?.message.contains("Parameter 0, f64[1], requires no gradients") == true)
  }

  @Test("A loss of several elements is refused")
  func severalElements() throws {
    let x = try TorchTensor([1.0, 2]).requiringGradient()
    let error = #expect(throws: TinctureError.self) {
      try gradients(of: x * 2, withRespectTo: [x])
    }
    #expect(error?.message.contains("aten::_backward(f64[2], f64[2]) failed") == true)
    #expect(try gradients(of: (x * 2).sum(), withRespectTo: [x])[0].array() == [2.0, 2])
  }

  @Test("Gradients are taken from several threads at once")
  func concurrently() async throws {
    let x = try TorchTensor([3.0]).requiringGradient()
    try await withThrowingTaskGroup { group in
      for factor in 1...8 {
        group.addTask {
          for _ in 0..<50 {
            let gradient = try gradients(of: (x * Double(factor)).sum(), withRespectTo: [x])[0]
            #expect(try gradient.item(as: Double.self) == Double(factor))
          }
        }
      }
      try await group.waitForAll()
    }
  }
}
