import Testing
import TinctureTensors

@testable import TinctureLinearAlgebra

@Suite("Finding and using a library")
struct BackendTests {
  @Test("A library that is not there is an error of status 69 that says how to get one")
  func missing() {
    let error = #expect(throws: TinctureError.self) {
      try Backend.load(from: "/nowhere/libblas.so")
    }
    #expect(error?.code == .missingFacility)
    #expect(error?.code.exitStatus == 69)
    #expect(error?.message.contains("libopenblas0") == true)
    #expect(error?.message.contains("TINCTURE_BLAS=PATH") == true)
    #expect(error?.causes.first?.message.contains("/nowhere/libblas.so") == true)
  }

  #if os(Linux)
    @Test("A library without the routines is refused with their names")
    func lacking() {
      let error = #expect(throws: TinctureError.self) { try Backend.load(from: "libc.so.6") }
      #expect(error?.causes.first?.message.contains("sgemm, ") == true)
    }

    @Test("A named file is the only candidate; otherwise OpenBLAS comes first")
    func candidates() {
      #expect(Backend.candidates("/a/b.so", "/torch") == [["/a/b.so"]])
      #expect(
        Backend.candidates(nil, nil)
          == [["libopenblas.so.0"], ["libopenblas.so"], ["libblas.so.3", "liblapack.so.3"]])
    }
  #endif

  @Test("The library says what it is", .needsBLAS)
  func description() throws {
    let backend = try Backend.shared
    #expect(!backend.description.path.isEmpty)
    #expect(backend.description.description.hasPrefix(backend.description.path))
    #expect(backend.threads == 1)
    #expect(Backend.isAvailable)
  }

  @Test("Where divide and conquer fails, QR steps take its place", .needsBLAS)
  func retries() throws {
    let whole = try Backend.shared
    guard whole.double.gesvd != nil, whole.double.syev != nil else { return }
    let failing = try broken { routines in
      routines.gesdd = { _, _, _, _, _, _, _, _, _, _, _, _, _, info, _ in info.pointee = 3 }
      routines.syevd = { _, _, _, _, _, _, _, _, _, _, info, _, _ in info.pointee = 2 }
    }
    let a = uniform(12, 30, as: Double.self)
    let (one, other) = (try whole.svd(a), try failing.svd(a))
    #expect(distance(one.u, other.u) < 1e-10)
    #expect(distance(product(other), a) < 1e-13)
    let values = try failing.singularValues(a)
    #expect(zip(values, one.singularValues).allSatisfy { abs($0 - $1) < 1e-13 })
    let gram = try whole.gram(a, of: .rows)
    #expect(
      distance(try whole.eigh(gram).vectors, try failing.eigh(gram).vectors) < 1e-10)
  }

  @Test("Results that are not finite are tried again, too", .needsBLAS)
  func notFinite() throws {
    guard try Backend.shared.double.gesvd != nil else { return }
    let failing = try broken { routines in
      routines.gesdd = { _, _, _, _, _, s, _, _, _, _, work, size, _, info, _ in
        if size.pointee == -1 {
          work.storeBytes(of: 1, as: Double.self)
        } else {
          s.storeBytes(of: .nan, as: Double.self)
        }
        info.pointee = 0
      }
    }
    let a = uniform(5, 4, as: Double.self)
    #expect(distance(product(try failing.svd(a)), a) < 1e-14)
  }

  @Test("A failure without another route is reported with the routine's number", .needsBLAS)
  func reported() throws {
    let failing = try broken { routines in
      routines.gesdd = { _, _, _, _, _, _, _, _, _, _, _, _, _, info, _ in info.pointee = 3 }
      routines.gesvd = { _, _, _, _, _, _, _, _, _, _, _, _, _, info, _, _ in info.pointee = 5 }
      routines.syevd = { _, _, _, _, _, _, _, _, _, _, info, _, _ in info.pointee = 2 }
      routines.syev = nil
      routines.geqrf = { _, _, _, _, _, _, _, info in info.pointee = -4 }
    }
    let a = uniform(6, 6, as: Double.self)
    let error = #expect(throws: TinctureError.self) { try failing.svd(a) }
    #expect(error?.message.contains("gesvd, reports 5") == true)
    #expect(error?.message.contains("6 × 6") == true)
    #expect(throws: TinctureError.self) { try failing.singularValues(a) }
    #expect(throws: TinctureError.self) { try failing.qr(a) }
    #expect(throws: TinctureError.self) { try failing.eigh(Matrix<Double>.identity(3)) }
    #expect(throws: TinctureError.self) { try failing.polarBySVD(a) }
  }

  @Test("Without QR steps the transpose is tried", .needsBLAS)
  func transposed() throws {
    // Fails for matrices with more columns than rows, which are tall column after column.
    let failing = try broken { routines in
      routines.gesvd = nil
      routines.gesdd = {
        job, m, n, a, lda, s, u, ldu, vt, ldvt, work, size, integers, info, length in
        if m.pointee > n.pointee {
          info.pointee = 1
        } else {
          try? Backend.shared.double.gesdd(
            job, m, n, a, lda, s, u, ldu, vt, ldvt, work, size, integers, info, length)
        }
      }
    }
    let a = uniform(4, 7, as: Double.self)
    #expect(distance(product(try failing.svd(a)), a) < 1e-14)
    #expect(try failing.singularValues(a).count == 4)
  }

  @Test("A library without syrk multiplies in general", .needsBLAS)
  func withoutSyrk() throws {
    let lacking = try broken { $0.syrk = nil }
    let a = uniform(9, 14, as: Double.self)
    let (one, other) = (try lacking.gram(a, of: .rows), try Backend.shared.gram(a, of: .rows))
    #expect(distance(one, other) < 1e-14)
    #expect(one == one.transposed())
  }

  private func broken(_ change: (inout Routines) -> Void) throws -> Backend {
    let whole = try Backend.shared
    var double = whole.double
    change(&double)
    return Backend(
      whole.description, single: whole.single, double: double, gate: ThreadGate())
  }

  @Test("Results have the same bits alone, beside others, and wherever the matrix lies", .needsBLAS)
  func concurrency() async throws {
    let algebra = try Backend.shared
    let a = uniform(150, 130, as: Float.self)
    let alone = try Self.results(algebra, a)
    await withTaskGroup(of: [[Float]]?.self) { group in
      for index in 0..<8 {
        group.addTask {
          // Memory of other sizes before it moves the matrix.
          let other = uniform(index + 1, 3, as: Float.self)
          defer { withExtendedLifetime(other) {} }
          return try? Self.results(algebra, uniform(150, 130, as: Float.self))
        }
      }
      for await results in group { #expect(results == alone) }
    }
  }

  private static func results(_ algebra: Backend, _ a: Matrix<Float>) throws -> [[Float]] {
    let svd = try algebra.svd(a)
    let eigen = try algebra.eigh(algebra.gram(a, of: .columns))
    return [
      svd.u.array, svd.singularValues, svd.vt.array, eigen.values, eigen.vectors.array,
      try algebra.qr(a).q.array, try algebra.multiply(a, a, transposing: .second).array,
      try algebra.polarByNewtonSchulz(a).factor.array,
    ]
  }

  @Test("A wide section runs alone and leaves one thread behind", .needsBLAS)
  func wide() async throws {
    let algebra = try Backend.shared
    let a = uniform(200, 200, as: Float.self)
    let before = try algebra.multiply(a, a)
    await withTaskGroup(of: Bool.self) { group in
      for index in 0..<6 {
        group.addTask {
          if index == 2 {
            let wide = try? algebra.withThreads(2) { wide in
              precondition(wide.threads == 2)
              return try wide.multiply(a, a)
            }
            return wide.map { distance($0, before) < 1e-4 } ?? false
          }
          return (try? algebra.multiply(a, a)) == before
        }
      }
      for await isRight in group { #expect(isRight) }
    }
    #expect(try algebra.multiply(a, a) == before)
  }
}
