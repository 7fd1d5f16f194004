import Testing
import TinctureJSON
import TinctureTensors

@Suite("JSON")
struct JSONParserTests {
  @Test("Keys keep their order and numbers their spelling")
  func roundTrip() throws {
    let text = #"{"b":1.50,"a":[true,null,"x\n\u00e9"],"c":{}}"#
    let value = try JSONValue(parsing: text)
    #expect(value.text(indentation: nil) == #"{"b":1.50,"a":[true,null,"x\né"],"c":{}}"#)
    #expect(value.objectValue?.keys == ["b", "a", "c"])
  }

  @Test("Keys that are canonically equivalent but differ in bytes are different keys")
  func exactKeys() throws {
    let value = try JSONValue(parsing: "{\"\u{e9}\":1,\"e\u{301}\":2}")
    #expect(value["\u{e9}"]?.intValue == 1)
    #expect(value["e\u{301}"]?.intValue == 2)
  }

  @Test(
    "Malformed documents are refused with the offset of the fault",
    arguments: [
      ("{\"a\":1,\"a\":2}", 7), ("{\"a\":1} x", 8), ("[1,]", 3), ("{\"a\" 1}", 5), ("01", 0),
      ("\"\\ud800\"", 1), ("\"abc", 0), ("[1.]", 3), ("tru", 0), ("", 0), ("{\"a\":1", 6),
    ])
  func malformed(text: String, offset: Int) {
    let error = #expect(throws: TinctureError.self) { try JSONValue(parsing: text) }
    #expect(error?.place.byteOffset == offset)
  }

  @Test("Deep nesting is refused instead of exhausting the stack")
  func nesting() {
    #expect(throws: TinctureError.self) {
      try JSONValue(parsing: String(repeating: "[", count: 100_000))
    }
  }
}
