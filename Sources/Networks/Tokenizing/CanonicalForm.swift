// The standard library normalises for comparisons, but offers the result to the toolchain's own libraries
// only; Apple's systems do not offer it at all, but always have Foundation.
#if canImport(Darwin)
  import Foundation
#else
  @_spi(_Unicode) import Swift
#endif

extension String {
  /// The text with every letter apart from its accents: Unicode's form NFD.
  var canonicallyDecomposed: String {
    #if canImport(Darwin)
      decomposedStringWithCanonicalMapping
    #else
      var text = String.UnicodeScalarView()
      for scalar in _nfd { text.append(scalar) }
      return String(text)
    #endif
  }

  /// The text with letters and accents in one where there is such a letter: Unicode's form NFC.
  var canonicallyComposed: String {
    #if canImport(Darwin)
      precomposedStringWithCanonicalMapping
    #else
      var text = String.UnicodeScalarView()
      for scalar in _nfc { text.append(scalar) }
      return String(text)
    #endif
  }
}
