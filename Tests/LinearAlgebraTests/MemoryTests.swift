import Testing

@testable import TinctureLinearAlgebra

@Suite("Stated memory", .needsBLAS)
struct MemoryTests {
  @Test(
    "The memory stated for a decomposition covers the workspace that the library asks for",
    arguments: [(1, 1), (5, 3), (300, 300), (3000, 20), (20, 3000), (768, 3072), (4096, 4096)])
  func workspace(rows: Int, columns: Int) throws {
    let k = min(rows, columns)
    let routines = try Backend.shared.single
    var (job, m, n, k32) = (UInt8(83), Int32(columns), Int32(rows), Int32(k))
    var (lda, ldu, size, info) = (m, m, Int32(-1), Int32(0))
    var (unused, work): (Float, Float) = (0, 0)
    var integers: [Int32] = [0]
    withUnsafeMutablePointer(to: &unused) { unused in
      routines.gesdd(
        &job, &m, &n, unused, &lda, unused, unused, &ldu, unused, &k32, &work, &size, &integers,
        &info, 1)
    }
    #expect(info == 0)
    let memory = FactorizationMemory(rows: rows, columns: columns, precision: .single)
    let matrices = rows * columns + (rows + columns + 1) * k
    #expect(4 * (matrices + Int(work)) + 32 * k <= memory.svd)

    var (vectors, upper, values) = (UInt8(86), UInt8(85), Float(0))
    var (integerSize, order, leading) = (Int32(-1), n, n)
    size = -1
    withUnsafeMutablePointer(to: &unused) { unused in
      routines.syevd(
        &vectors, &upper, &order, unused, &leading, &values, &work, &size, &integers, &integerSize,
        &info, 1, 1)
    }
    #expect(info == 0)
    #expect(4 * (3 * rows * rows + Int(work)) + 4 * Int(integers[0]) <= memory.eigh)
  }
}
