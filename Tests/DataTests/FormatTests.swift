import Foundation
import SystemPackage
import Testing
import TinctureData
import TinctureMergeTesting
import TinctureTensors

@Suite("Forms of data sets")
struct FormatTests {
  @Test("Names of files suggest their form")
  func suggested() throws {
    let expected: [(FilePath, DataSetFormat?)] = [
      ("a/b.safetensors", .safetensors), ("x.NPY", .npy), ("x.npz", .npz),
      ("t10k-labels-idx1-ubyte.gz", .idx), ("dev.tsv", .tsv), ("dev.csv", .csv),
      ("dev.jsonl", .jsonl), ("val.txt", .list), ("x.parquet", nil), ("", nil),
    ]
    for (path, format) in expected { #expect(DataSetFormat(suggestedBy: path) == format) }
  }

  @Test("A path and options open a data set")
  func open() throws {
    let scratch = try ScratchDirectory()
    let csv = try scratch.write("a.csv", Array("t,n\nx,1\ny,2\n".utf8))
    let table = try DataSetOptions(columns: [("n", .integer)]).open(csv)
    #expect(try table.integers("n", at: [1, 0]) == [2, 1])
    let renamed = try scratch.write("a.data", Array("{\"t\": \"x\"}\n".utf8))
    #expect(try DataSetOptions(format: .jsonl).open(renamed).texts("t", at: [0]) == ["x"])
    expectFailure("state one of safetensors, npy") { _ = try DataSetOptions().open(renamed) }
    expectFailure("no such file", .missingInput) {
      _ = try DataSetOptions().open(scratch.path.appending("none.csv"))
    }
    let stored = try DataSetOptions(columns: [("y", .integer)]).open(fixture("stored.npz"))
    #expect(stored.columns.map(\.name) == ["y"])
    try scratch.write("t10k-images-idx3-ubyte", idx(extents: [1, 1, 1], data: [9]))
    try scratch.write("t10k-labels-idx1-ubyte", idx(extents: [1], data: [4]))
    let digits = try DataSetOptions().open(scratch.path)
    #expect(try digits.integers("label", at: [0]) == [4])
    #expect(try digits.images("image", at: [0])[0].bytes == [9])
    expectFailure("holds no folders") {
      _ = try DataSetOptions(format: .images).open(scratch.path)
    }
  }

  @Test("Any order of a shuffled epoch reads the right examples")
  func shuffled() throws {
    let scratch = try ScratchDirectory()
    let lines = (0..<500).map { "\($0)\n" }.joined()
    let path = try scratch.write("n.csv", Array(("n\n" + lines).utf8))
    let data = try DataSetOptions(columns: [("n", .integer)]).open(path)
    for batch in BatchOrder(count: data.count, batchSize: 64, seed: 3).batches(epoch: 1) {
      #expect(try data.integers("n", at: batch) == batch)
    }
  }
}
