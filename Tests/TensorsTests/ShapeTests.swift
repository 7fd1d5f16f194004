import Testing
import TinctureTensors

@Suite("Shapes and element types")
struct ShapeTests {
  @Test("A shape whose element count overflows or that has a negative extent does not exist")
  func impossible() {
    #expect(Shape([-1]) == nil)
    #expect(Shape([0, -1]) == nil)
    #expect(Shape([.max, 2]) == nil)
    #expect(Shape([1 << 32, 1 << 32]) == nil)
    #expect(Shape([.max, 0])?.elementCount == 0)
  }

  @Test("Bytes that overflow or do not fill a byte have no count")
  func bytes() {
    #expect(Shape([.max / 8])?.byteCount(of: .f64) == nil)
    #expect(Shape([3])?.byteCount(of: .f4) == nil)
    #expect(Shape([4])?.byteCount(of: .f6e2m3) == 3)
    #expect(Shape([])?.byteCount(of: .f64) == 8)
  }

  @Test("Rows are slices along the last axis")
  func rows() throws {
    let table: [([Int], Int, Int)] = [
      ([], 1, 1), ([5], 5, 1), ([3, 4], 4, 3), ([2, 3, 4], 4, 6), ([0, 4], 4, 0), ([4, 0], 0, 0),
    ]
    for (extents, length, count) in table {
      let shape = try #require(Shape(extents))
      #expect(shape.rowLength == length)
      #expect(shape.rowCount == count)
    }
  }

  @Test(
    "Every type is found by its name, and by the name PyTorch gives it", arguments: DType.allCases)
  func names(dtype: DType) {
    #expect(DType(recipeName: dtype.rawValue) == dtype)
    if let name = dtype.torchName {
      #expect(DType(recipeName: name) == dtype)
      #expect(DType(recipeName: "torch." + name) == dtype)
    }
  }

  @Test("Arithmetic types have whole bytes", arguments: DType.allCases)
  func widths(dtype: DType) {
    if dtype.isArithmetic { #expect(dtype.byteWidth != nil) }
    #expect((dtype.byteWidth == nil) == (dtype.bitWidth % 8 != 0))
  }
}
