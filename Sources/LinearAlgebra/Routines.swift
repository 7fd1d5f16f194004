/// A number passed to a Fortran routine.
typealias Int32Pointer = UnsafePointer<Int32>
/// A character passed to a Fortran routine.
typealias LetterPointer = UnsafePointer<UInt8>
/// Elements that a Fortran routine reads.
typealias ElementsIn = UnsafeRawPointer
/// Elements that a Fortran routine writes.
typealias ElementsOut = UnsafeMutableRawPointer
/// Whole numbers that a Fortran routine writes.
typealias Int32Out = UnsafeMutablePointer<Int32>

/// The routines of BLAS and LAPACK of one precision, by their Fortran interface.
///
/// All arguments are passed by address, so that one type serves both precisions; lengths of letters
/// follow at the end, as Fortran compilers pass them. Whole numbers have 32 bits (LP64). Matrices
/// lie column after column. The optional ones have a replacement where a library lacks them.
struct Routines: Sendable {
  /// C = α op(A) op(B) + β C: transa, transb, m, n, k, α, A, lda, B, ldb, β, C, ldc.
  typealias Gemm =
    @convention(c) @Sendable (
      LetterPointer, LetterPointer, Int32Pointer, Int32Pointer, Int32Pointer, ElementsIn,
      ElementsIn,
      Int32Pointer, ElementsIn, Int32Pointer, ElementsIn, ElementsOut, Int32Pointer, Int, Int
    ) -> Void
  /// C = α A Aᵀ + β C: uplo, trans, n, k, α, A, lda, β, C, ldc.
  typealias Syrk =
    @convention(c) @Sendable (
      LetterPointer, LetterPointer, Int32Pointer, Int32Pointer, ElementsIn, ElementsIn,
      Int32Pointer,
      ElementsIn, ElementsOut, Int32Pointer, Int, Int
    ) -> Void
  /// Eigenvalues by divide and conquer: jobz, uplo, n, A, lda, w, work, lwork, iwork, liwork, info.
  typealias Syevd =
    @convention(c) @Sendable (
      LetterPointer, LetterPointer, Int32Pointer, ElementsOut, Int32Pointer, ElementsOut,
      ElementsOut,
      Int32Pointer, Int32Out, Int32Pointer, Int32Out, Int, Int
    ) -> Void
  /// Eigenvalues by QR steps: jobz, uplo, n, A, lda, w, work, lwork, info.
  typealias Syev =
    @convention(c) @Sendable (
      LetterPointer, LetterPointer, Int32Pointer, ElementsOut, Int32Pointer, ElementsOut,
      ElementsOut,
      Int32Pointer, Int32Out, Int, Int
    ) -> Void
  /// Singular values by divide and conquer: jobz, m, n, A, lda, s, U, ldu, Vᵀ, ldvt, work, lwork,
  /// iwork, info.
  typealias Gesdd =
    @convention(c) @Sendable (
      LetterPointer, Int32Pointer, Int32Pointer, ElementsOut, Int32Pointer, ElementsOut,
      ElementsOut,
      Int32Pointer, ElementsOut, Int32Pointer, ElementsOut, Int32Pointer, Int32Out, Int32Out, Int
    ) -> Void
  /// Singular values by QR steps: jobu, jobvt, m, n, A, lda, s, U, ldu, Vᵀ, ldvt, work, lwork, info.
  typealias Gesvd =
    @convention(c) @Sendable (
      LetterPointer, LetterPointer, Int32Pointer, Int32Pointer, ElementsOut, Int32Pointer,
      ElementsOut,
      ElementsOut, Int32Pointer, ElementsOut, Int32Pointer, ElementsOut, Int32Pointer, Int32Out,
      Int,
      Int
    ) -> Void
  /// A = QR: m, n, A, lda, τ, work, lwork, info.
  typealias Geqrf =
    @convention(c) @Sendable (
      Int32Pointer, Int32Pointer, ElementsOut, Int32Pointer, ElementsOut, ElementsOut, Int32Pointer,
      Int32Out
    ) -> Void
  /// Q of A = QR: m, n, k, A, lda, τ, work, lwork, info.
  typealias Orgqr =
    @convention(c) @Sendable (
      Int32Pointer, Int32Pointer, Int32Pointer, ElementsOut, Int32Pointer, ElementsIn, ElementsOut,
      Int32Pointer, Int32Out
    ) -> Void
  /// A = LLᵀ: uplo, n, A, lda, info.
  typealias Potrf =
    @convention(c) @Sendable (
      LetterPointer, Int32Pointer, ElementsOut, Int32Pointer, Int32Out, Int
    ) -> Void
  /// LLᵀX = B: uplo, n, nrhs, A, lda, B, ldb, info.
  typealias Potrs =
    @convention(c) @Sendable (
      LetterPointer, Int32Pointer, Int32Pointer, ElementsIn, Int32Pointer, ElementsOut,
      Int32Pointer,
      Int32Out, Int
    ) -> Void
  /// A = PLU: m, n, A, lda, ipiv, info.
  typealias Getrf =
    @convention(c) @Sendable (
      Int32Pointer, Int32Pointer, ElementsOut, Int32Pointer, Int32Out, Int32Out
    ) -> Void
  /// op(A)X = B from A = PLU: trans, n, nrhs, A, lda, ipiv, B, ldb, info.
  typealias Getrs =
    @convention(c) @Sendable (
      LetterPointer, Int32Pointer, Int32Pointer, ElementsIn, Int32Pointer, Int32Pointer,
      ElementsOut,
      Int32Pointer, Int32Out, Int
    ) -> Void

  /// A = Q T Qᵀ with T tridiagonal: uplo, n, A, lda, d, e, τ, work, lwork, info.
  typealias Sytrd =
    @convention(c) @Sendable (
      LetterPointer, Int32Pointer, ElementsOut, Int32Pointer, ElementsOut, ElementsOut, ElementsOut,
      ElementsOut, Int32Pointer, Int32Out, Int
    ) -> Void
  /// C = Q C with Q of A = Q T Qᵀ: side, uplo, trans, m, n, A, lda, τ, C, ldc, work, lwork, info.
  typealias Ormtr =
    @convention(c) @Sendable (
      LetterPointer, LetterPointer, LetterPointer, Int32Pointer, Int32Pointer, ElementsIn,
      Int32Pointer, ElementsIn, ElementsOut, Int32Pointer, ElementsOut, Int32Pointer, Int32Out, Int,
      Int, Int
    ) -> Void

  var gemm: Gemm
  var syrk: Syrk?
  var syevd: Syevd
  var syev: Syev?
  var gesdd: Gesdd
  var gesvd: Gesvd?
  var geqrf: Geqrf
  var orgqr: Orgqr
  var potrf: Potrf
  var potrs: Potrs
  var getrf: Getrf
  var getrs: Getrs
  /// The two steps to a part of the eigenvectors, where a library has both.
  var leading: (sytrd: Sytrd, ormtr: Ormtr)?

  /// Takes the routines of one precision from where symbols are found.
  ///
  /// - Parameters:
  ///   - precision: The precision.
  ///   - missing: Receives the names of the required routines that were not found.
  ///   - find: Finds the address of a routine by its name without an underscore.
  init?(
    _ precision: Precision, missing: inout [String], find: (String) -> UnsafeMutableRawPointer?
  ) {
    let prefix = precision == .single ? "s" : "d"
    func optional<Function>(_ name: String, _ type: Function.Type) -> Function? {
      find(prefix + name).map { unsafeBitCast($0, to: type) }
    }
    func required<Function>(_ name: String, _ type: Function.Type) -> Function? {
      let function = optional(name, type)
      if function == nil { missing.append(prefix + name) }
      return function
    }
    let gemm = required("gemm", Gemm.self)
    let syevd = required("syevd", Syevd.self)
    let gesdd = required("gesdd", Gesdd.self)
    let geqrf = required("geqrf", Geqrf.self)
    let orgqr = required("orgqr", Orgqr.self)
    let potrf = required("potrf", Potrf.self)
    let potrs = required("potrs", Potrs.self)
    let getrf = required("getrf", Getrf.self)
    let getrs = required("getrs", Getrs.self)
    guard let gemm, let syevd, let gesdd, let geqrf, let orgqr, let potrf, let potrs, let getrf,
      let getrs
    else { return nil }
    self.gemm = gemm
    self.syevd = syevd
    self.gesdd = gesdd
    self.geqrf = geqrf
    self.orgqr = orgqr
    self.potrf = potrf
    self.potrs = potrs
    self.getrf = getrf
    self.getrs = getrs
    syrk = optional("syrk", Syrk.self)
    syev = optional("syev", Syev.self)
    gesvd = optional("gesvd", Gesvd.self)
    if let sytrd = optional("sytrd", Sytrd.self), let ormtr = optional("ormtr", Ormtr.self) {
      leading = (sytrd, ormtr)
    }
  }
}
