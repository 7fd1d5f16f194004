import SystemPackage
import Testing
import TinctureCheckpoints
import TinctureJSON
import TinctureSafetensors
import TinctureTensors

@Suite("PyTorch checkpoints")
struct PyTorchFileTests {
  static let files = [
    "floats.pt", "integers.pt", "views.pt", "state_dict.bin", "parameters.pt",
    "wrapped_protocol2.ckpt", "wrapped_protocol3.ckpt", "wrapped_protocol4.ckpt",
    "wrapped_protocol5.ckpt", "only_member.pt", "nested.pt", "stream_protocol2.bin",
    "stream_protocol4.bin",
  ]

  @Test("Every tensor that torch saved is found with its values", arguments: files)
  func fixtures(name: String) throws {
    let document = try JSONValue(parsing: PyTorchScratch.fixtureBytes("expected.json"))
    let expected = try #require(document[name]?.arrayValue)
    let checkpoint = try PyTorchFile(opening: PyTorchScratch.fixture(name))
    #expect(checkpoint.tensors.map(\.name) == expected.map { $0["name"]?.stringValue })
    for (tensor, wanted) in zip(checkpoint.tensors, expected) {
      #expect(tensor.dtype.rawValue == wanted["dtype"]?.stringValue, "\(tensor.name)")
      #expect(
        tensor.shape.extents == wanted["shape"]?.arrayValue?.map(\.intValue), "\(tensor.name)")
      let data = try checkpoint.hexadecimal(of: tensor)
      #expect(data == wanted["data"]?.stringValue, "\(tensor.name)")
    }
  }

  @Test("Tensors that share a storage share bytes, and only other orders have strides")
  func views() throws {
    let file = try PyTorchFile(opening: PyTorchScratch.fixture("views.pt"))
    func tensor(_ name: String) throws -> StoredTensor {
      try #require(file.tensors.first { $0.name == name })
    }
    let whole = try tensor("whole")
    #expect(whole.strides == nil)
    #expect(try tensor("same").byteOffset == whole.byteOffset)
    #expect(try tensor("transposed").strides == [1, 4, 12])
    #expect(try tensor("sliced").strides == [12, 4, 2])
    #expect(try tensor("sliced").byteOffset == whole.byteOffset + 16)
    #expect(try tensor("row").strides == nil)
    #expect(try tensor("row").byteOffset == whole.byteOffset + 80)
    #expect(try tensor("expanded").strides == [0, 0])
    #expect(try tensor("single_axes").strides == nil)
    #expect(try tensor("number").shape.rank == 0)
    #expect(try tensor("empty").byteCount == 0)
  }

  @Test("The archive may have any prefix, a comment, and zip64 records")
  func archives() throws {
    let pickle = PyTorchPickle.state(PyTorchPickle.tensor())
    var zips = [PyTorchZip(pickle: pickle), PyTorchZip(pickle: pickle, prefix: "")]
    zips.append(PyTorchZip(pickle: pickle, prefix: "modèle/"))
    zips[0].comment = PyTorchPickle.ascii("PK\u{5}\u{6} is no record here")
    var wide = PyTorchZip(pickle: pickle)
    wide.hasZip64End = true
    for index in wide.entries.indices { wide.entries[index].isZip64 = true }
    zips.append(wide)
    for index in wide.entries.indices {
      wide.entries[index].isZip64 = false
      wide.entries[index].isOffsetZip64 = true
    }
    zips.append(wide)
    for zip in zips {
      let file = try PyTorchScratch.open(zip.bytes)
      #expect(file.tensors.map(\.name) == ["w"])
      #expect(try file.hexadecimal(of: file.tensors[0]) == "0000803f000000400000404000008040")
    }
  }

  @Test("Names that are canonically equivalent but differ in bytes are different tensors")
  func exactNames() throws {
    let pickle = PyTorchPickle.document(
      PyTorchPickle.dictionary([
        (PyTorchPickle.text("\u{e9}"), PyTorchPickle.tensor()),
        (PyTorchPickle.text("e\u{301}"), PyTorchPickle.tensor(extents: [2])),
      ]))
    let file = try PyTorchScratch.open(PyTorchZip(pickle: pickle).bytes)
    #expect(file.tensors.map(\.shape.extents) == [[4], [2]])
  }

  @Test("A dictionary that changes after it was recalled changes everywhere")
  func sharing() throws {
    // outer = {}; inner = {} (memo 0); outer["a"] = inner; inner["w"] = tensor
    let ascii = PyTorchPickle.ascii
    let fill = PyTorchPickle.text("w") + PyTorchPickle.tensor() + ascii("s0")
    let pickle = PyTorchPickle.document(
      ascii("}") + PyTorchPickle.text("a") + ascii("}q") + [0] + ascii("sh") + [0] + fill)
    let file = try PyTorchScratch.open(PyTorchZip(pickle: pickle).bytes)
    #expect(file.tensors.map(\.name) == ["w"])
  }

  @Test("A cycle that leads to no tensor does no harm")
  func harmlessCycle() throws {
    let ascii = PyTorchPickle.ascii
    let cycle = ascii("]q") + [9] + ascii("h") + [9] + ascii("a")
    let pickle = PyTorchPickle.document(
      PyTorchPickle.dictionary([
        (PyTorchPickle.text("loop"), cycle), (PyTorchPickle.text("w"), PyTorchPickle.tensor()),
      ]))
    let file = try PyTorchScratch.open(PyTorchZip(pickle: pickle).bytes)
    #expect(file.tensors.map(\.name) == ["w"])
  }

  @Test("A missing file is a missing input")
  func missing() {
    let error = #expect(throws: TinctureError.self) {
      try PyTorchFile(opening: "/nonexistent/pytorch_model.bin")
    }
    #expect(error?.code == .missingInput)
  }
}
