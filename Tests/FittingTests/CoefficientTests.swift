import Testing
import TinctureFitting
import TinctureTensors

@Suite("Coefficients")
struct CoefficientTests {
  @Test("Derivatives add up over tensors that share a coefficient")
  func sharing() {
    let products = [1.0, 2, 10, 20, 100, 200]
    let layers = CoefficientTable(.layer, tensorCount: 3, taskCount: 2, start: 0.3)
    #expect(layers.gradient(products) == [1, 2, 10, 20, 100, 200])
    #expect(layers.coefficients(2) == [0.3, 0.3])
    let tasks = CoefficientTable(.task, tensorCount: 3, taskCount: 2, start: 0.3)
    #expect(tasks.gradient(products) == [111, 222])
    #expect(tasks.raw.count == 2)
  }

  @Test("Out of bounds a coefficient is clamped and has no derivative")
  func bounds() {
    let above = CoefficientTable(.task, tensorCount: 1, taskCount: 1, start: 1.5)
    #expect(above.coefficients(0) == [1])
    #expect(above.gradient([4]) == [0])
    let edge = CoefficientTable(.task, tensorCount: 1, taskCount: 1, start: 1)
    #expect(edge.gradient([4]) == [4])
    let free = CoefficientTable(
      .task, tensorCount: 1, taskCount: 1, start: 1.5, bounds: nil)
    #expect(free.coefficients(0) == [1.5])
    #expect(free.gradient([4]) == [4])
  }

  @Test("A merged tensor is the base and the scaled task vectors, and products are inner products")
  func vectors() throws {
    let set = try TaskVectorSet([
      (name: "a", extents: [3], base: [1, 2, 3], experts: [[2, 2, 3], [1, 0, 7]])
    ])
    #expect(Array(set.merged(0, [0.5, 2])) == [1.5, -2, 11])
    #expect(Array(set.merged(0, [0, 0])) == [1, 2, 3])
    let g: ContiguousArray<Float> = [1, 10, 100]
    #expect(set.products(0, g.span) == [1, 380])
    let uneven = #expect(throws: TinctureError.self) {
      try TaskVectorSet([(name: "a", extents: [2], base: [1, 2], experts: [[1]])])
    }
    #expect(uneven?.place.tensor == "a")
    let broken = #expect(throws: TinctureError.self) {
      try TaskVectorSet([(name: "a", extents: [1], base: [1], experts: [[.nan]])])
    }
    #expect(broken?.message.contains("not finite") == true)
  }
}
