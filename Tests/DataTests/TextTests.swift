import SystemPackage
import Testing
import TinctureData
import TinctureMergeTesting
import TinctureTensors

@Suite("Text files")
struct TextTests {
  static func open(
    _ text: String, _ format: DelimitedFormat = .csv,
    columns: [(name: String, type: FieldType)]? = nil
  ) throws -> (ScratchDirectory, DelimitedDataSet) {
    let scratch = try ScratchDirectory()
    let path = try scratch.write("data.csv", Array(text.utf8))
    return (scratch, try DelimitedDataSet(opening: path, format: format, columns: columns))
  }

  @Test("Quotes, line ends and marks after RFC 4180")
  func quotes() throws {
    let text =
      "\u{FEFF}a,b,c\r\n1,\"x, \"\"y\"\"\r\nz\",\r\n\n2,,\"\"\n\"3\",ü,last"
    let (_, data) = try Self.open(
      text, columns: [("a", .integer), ("b", .text), ("c", .text)])
    #expect(data.count == 3)
    #expect(try data.integers("a", at: [0, 1, 2]) == [1, 2, 3])
    #expect(try data.texts("b", at: [0, 1, 2]) == ["x, \"y\"\r\nz", "", "ü"])
    #expect(try data.texts("c", at: [2, 0]) == ["last", ""])
  }

  @Test("Tabulators: quotes are text")
  func tabulators() throws {
    let (_, data) = try Self.open(
      "s\tn\n\"a\" b\t 1.5 \nc,\tnan\n", .tsv, columns: [("s", .text), ("n", .number)])
    #expect(try data.texts("s", at: [0, 1]) == ["\"a\" b", "c,"])
    let numbers = try data.doubles("n", at: [0, 1])
    #expect(numbers[0] == 1.5 && numbers[1].isNaN)
  }

  @Test("Labels by name, files without header, a single column with empty fields")
  func variants() throws {
    var format = DelimitedFormat.csv
    format.hasHeader = false
    let (_, data) = try Self.open(
      "no,1\nyes,2\n", format, columns: [("0", .label(["no", "yes"])), ("1", .integer)])
    #expect(try data.integers("0", at: [0, 1]) == [0, 1])
    let (_, single) = try Self.open("text\na\n\nb\n")
    #expect(try single.texts("text", at: [0, 1, 2]) == ["a", "", "b"])
  }

  @Test("Long files are read by ranges, whichever")
  func ranges() throws {
    let lines = (0..<1000).map { "\($0),\"line\n\($0)\"\n" }.joined()
    let (_, data) = try Self.open("n,t\n" + lines, columns: [("n", .integer), ("t", .text)])
    #expect(data.count == 1000)
    for range in [0..<1000, 63..<65, 64..<64, 999..<1000, 500..<700] {
      #expect(try data.integers("n", at: Array(range)) == Array(range))
    }
    #expect(try data.texts("t", at: [777, 3]) == ["line\n777", "line\n3"])
  }

  @Test("Malformed files name the line")
  func malformed() throws {
    expectFailure("2 fields, but there are 3", line: 3) { _ = try Self.open("a,b,c\n1,2,3\n1,2\n") }
    expectFailure("4 fields", line: 4) { _ = try Self.open("a,b,c\n1,\"x\ny\",3\n1,2,3,4\n") }
    expectFailure("never closed", line: 2) { _ = try Self.open("a,b\n1,\"x\n2,3\n") }
    expectFailure("within field 2", line: 2) { _ = try Self.open("a,b\n1,x\"y\n") }
    expectFailure("follows the closing quote", line: 2) { _ = try Self.open("a,b\n1,\"x\"y\n") }
    expectFailure("Two columns", line: 1) { _ = try Self.open("a,a\n") }
    expectFailure("empty", line: 1) { _ = try Self.open("") }
    expectFailure("no column \"z\"; the file has \"a\", \"b\"", line: 1) {
      _ = try Self.open("a,b\n", columns: [("z", .text)])
    }
    let (_, data) = try Self.open(
      "a,b,c\n1,2,yes\n\nx,,maybe\n",
      columns: [("a", .integer), ("b", .number), ("c", .label(["yes", "no"]))])
    expectFailure("\"x\", which is not a whole number", line: 4) {
      _ = try data.integers("a", at: [0, 1])
    }
    expectFailure("not a number", line: 4) { _ = try data.doubles("b", at: [1]) }
    expectFailure("not one of yes, no", line: 4) { _ = try data.integers("c", at: [1]) }
    expectFailure("cannot be opened", .missingInput) {
      _ = try DelimitedDataSet(opening: "/nonexistent/missing.csv")
    }
  }

  @Test("Text that is no UTF-8 names the line")
  func encoding() throws {
    let scratch = try ScratchDirectory()
    let path = try scratch.write("data.csv", Array("a,b\nx,y\n".utf8) + [0x66, 0xFC, 44, 49, 10])
    let data = try DelimitedDataSet(opening: path)
    #expect(try data.texts("b", at: [0, 1]) == ["y", "1"])
    expectFailure("not valid UTF-8", line: 3) { _ = try data.texts("a", at: [0, 1]) }
    let header = try scratch.write("header.csv", [0xFF, 44, 49, 10])
    expectFailure("column 1 is not valid UTF-8", line: 1) {
      _ = try DelimitedDataSet(opening: header)
    }
  }

  @Test("Lines of JSON: members, paths, types")
  func jsonLines() throws {
    let scratch = try ScratchDirectory()
    let lines = [
      #"{"q": "Wer?", "n": 1, "a": {"t": ["x"], "s": "b"}, "f": true}"#, "",
      #"{"n": 2.0, "q": "ü\n", "a": {"s": "c"}, "f": false, "a.s": "own"}"#,
    ]
    let path = try scratch.write("data.jsonl", Array((lines.joined(separator: "\r\n") + "\n").utf8))
    let data = try JSONLinesDataSet(
      opening: path,
      columns: [("q", .text), ("n", .integer), ("a.s", .text), ("f", .integer), ("x", .text)])
    #expect(data.count == 2)
    #expect(try data.texts("q", at: [0, 1]) == ["Wer?", "ü\n"])
    #expect(try data.integers("n", at: [1, 0]) == [2, 1])
    #expect(try data.texts("a.s", at: [0, 1]) == ["b", "own"])
    #expect(try data.integers("f", at: [0, 1]) == [1, 0])
    expectFailure("no member \"x\"", line: 1) { _ = try data.texts("x", at: [0]) }
    let all = try JSONLinesDataSet(opening: path)
    #expect(all.columns.map(\.name) == ["q", "n", "a", "f"])
    #expect(all.columns[1].content == .numbers(.i64, extents: []))
    expectFailure("not a text", line: 3) { _ = try all.texts("a", at: [1]) }
    let broken = try scratch.write("broken.jsonl", Array("{\"a\": 1}\n[1]\n{\"a\": \n".utf8))
    let wrong = try JSONLinesDataSet(opening: broken, columns: [("a", .integer)])
    expectFailure("no JSON object", line: 2) { _ = try wrong.integers("a", at: [1]) }
    expectFailure("JSON", line: 3) { _ = try wrong.integers("a", at: [2]) }
    let empty = try JSONLinesDataSet(opening: scratch.write("empty.jsonl", []))
    #expect(empty.count == 0 && empty.columns.isEmpty)
  }
}
