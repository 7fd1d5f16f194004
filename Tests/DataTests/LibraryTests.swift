import Testing
import TinctureTensors

@testable import TinctureData

@Suite("Libraries that are found at run time")
struct LibraryTests {
  @Test("A missing library says what to install and what was tried")
  func missing() throws {
    let error = #expect(throws: TinctureError.self) {
      try DynamicLibrary.first(
        of: ["libtincture-none.so.1", "libtincture-none.so"], purpose: "decode JPEG pictures",
        package: "libturbojpeg0")
    }
    #expect(error?.code == .missingFacility)
    #expect(error?.code.exitStatus == 69)
    #expect(error?.message.contains("decode JPEG pictures") == true)
    #expect(error?.message.contains("apt install libturbojpeg0") == true)
    #expect(error?.causes.count == 2)
    let old = DynamicLibrary.incomplete("libpng", package: "libpng16-16")
    #expect(old.message.contains("apt install libpng16-16"))
  }
}
