#if canImport(Accelerate)
  /// Where Apple's systems keep BLAS and LAPACK, and how their routines are called there.
  ///
  /// The framework comes with the system. Its present LAPACK interface exports the Fortran routines
  /// without an underscore and with a suffix; the old ones, with an underscore, are LAPACK 3.2.1. It
  /// decides about threads by itself: results are not promised to have the same bits in every run.
  enum Accelerate {
    static let path = "/System/Library/Frameworks/Accelerate.framework/Accelerate"

    static func symbol(_ name: String) -> String { name + "$NEWLAPACK" }
  }
#endif
