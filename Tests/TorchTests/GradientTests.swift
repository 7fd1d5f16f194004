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
    #expect(
      error?.message == "aten::matmul(f32[2, 3], f32[4, 5]) failed: mat1 and mat2 shapes cannot be"
        + " multiplied (2x3 and 4x5)")
    #expect(error?.code == .engine)
  }
}
