import Testing
import TinctureCheckpoints
import TinctureTensors

/// A pickle that must be refused, and a part of the message that says why.
struct HostilePickle: CustomTestStringConvertible {
  let name: String
  let pickle: [UInt8]
  let fragment: String
  var testDescription: String { name }

  /// A pickle as it is.
  init(_ name: String, _ pickle: [UInt8], _ fragment: String) {
    self.name = name
    self.pickle = pickle
    self.fragment = fragment
  }

  /// A state dictionary with one wrong tensor.
  init(_ name: String, tensor: [UInt8], _ fragment: String) {
    self.init(name, PyTorchPickle.state(tensor), fragment)
  }

  /// The instructions of one wrong value.
  init(_ name: String, value: [UInt8], _ fragment: String) {
    self.init(name, PyTorchPickle.document(value), fragment)
  }
}

@Suite("Hostile pickles")
struct PyTorchHostilePickleTests {
  private typealias P = PyTorchPickle

  @Test(
    "A pickle that is damaged or wants more than tensors is refused",
    arguments: calls + machine + values + tensors)
  func refused(hostile: HostilePickle) {
    let archive = PyTorchZip(pickle: hostile.pickle).bytes
    let error = #expect(throws: TinctureError.self) { try PyTorchScratch.open(archive) }
    #expect(error?.code == .checkpoint)
    #expect(error?.place.file != nil)
    let message = error?.message ?? ""
    #expect(message.contains(hostile.fragment), "\(message)")
  }

  static let calls: [HostilePickle] = [
    .init(
      "os.system", value: P.call("os", "system", [P.text("true")]),
      "asks for 'os.system'; loading it would run code"),
    .init("builtins.eval", value: P.call("builtins", "eval", [P.text("1")]), "'builtins.eval'"),
    .init("getattr", value: P.call("__builtin__", "getattr", []), "'__builtin__.getattr'"),
    .init(
      "a class of a model", value: P.global("transformers.models.llama", "LlamaModel"),
      "Save only the state_dict()"),
    .init(
      "stack global", value: P.text("posix") + P.text("system") + [0x93], "'posix.system'"),
    .init("torch function", value: P.call("torch", "load", []), "'torch.load'"),
    .init("unknown storage", value: P.global("torch", "EvilStorage"), "'torch.EvilStorage'"),
    .init(
      "terminal escape", value: P.global("\u{1B}[2J", "x"), "asks for '\u{FFFD}[2J.x'"),
    .init("stack global of integers", value: P.integer(1) + P.integer(2) + [0x93], "an integer"),
    .init("inst", value: P.ascii("(ios\nsystem\n"), "0x69, which is no instruction"),
    .init("extension registry", value: [0x82, 1], "0x82, which is no instruction"),
    .init(
      "call of a text", value: P.text("f") + P.tuple([]) + P.ascii("R"), "calls a text"),
    .init(
      "call of a type", value: P.call("torch", "float16", []), "which is no function"),
    .init(
      "call with a list", value: P.global("torch", "Size") + P.ascii("]R"), "calls with a list"),
    .init(
      "new object of a text", value: P.text("f") + P.tuple([]) + [0x81], "calls a text"),
    .init(
      "module by identifier",
      value: P.tuple([P.text("module"), P.text("a"), P.text("b"), P.text("c"), P.text("d")])
        + P.ascii("Q"), "the module of a program"),
    .init(
      "build of a class", value: P.global("torch", "Tensor") + P.ascii("}b"),
      "attributes of a class"),
  ]

  static let machine: [HostilePickle] = [
    .init("no byte", [], "ends in the middle"),
    .init("empty stack", [0x80, 2, 0x2E], "from an empty stack"),
    .init("pop of nothing", value: P.ascii("0N"), "from an empty stack"),
    .init("tuple of nothing", value: P.ascii("N") + [0x87], "from an empty stack"),
    .init("value below a mark", value: P.ascii("NN(") + [0x86], "from an empty stack"),
    .init("put of nothing", value: P.ascii("q") + [0], "from an empty stack"),
    .init("unset memo", value: P.ascii("h") + [7], "memo entry 7, which was never set"),
    .init("unset long memo", value: P.ascii("j") + [255, 255, 255, 255], "entry 4294967295"),
    .init("memo that is no number", value: P.ascii("gx\n"), "\"x\", which is no number"),
    .init("negative memo", value: P.ascii("Np-1\n"), "\"-1\", which is no number"),
    .init("no mark", value: P.ascii("t"), "never opened"),
    .init("protocol 6", [0x80, 6, 0x4E, 0x2E], "has protocol 6"),
    .init("protocol 255", [0x80, 255, 0x4E, 0x2E], "has protocol 255"),
    .init("unknown instruction", value: [0xFF], "the byte 0xff"),
    .init(
      "frame longer than the file", value: [0x95] + PyTorchZip.number(1 << 40, 8),
      "announces 1099511627776 bytes"),
    .init(
      "text of four gigabytes", value: P.ascii("X") + [255, 255, 255, 255],
      "announces 4294967295 bytes"),
    .init(
      "text of 2^63 bytes", value: [0x8D] + PyTorchZip.number(Int.min, 8),
      "announces 9223372036854775808 bytes"),
    .init(
      "bytes of 2^64 - 1", value: [0x8E] + PyTorchZip.number(-1, 8),
      "announces 18446744073709551615 bytes"),
    .init("integer of two gigabytes", value: [0x8B, 255, 255, 255, 127], "announces 2147483647"),
    .init("text that is no UTF-8", value: [0x8C, 2, 0xC3, 0x28], "not valid UTF-8"),
    .init("integer in words", value: P.ascii("Ifour\n"), "\"four\" for an integer"),
    .init(
      "endless line", value: P.ascii("I" + String(repeating: "1", count: 70000) + "\n"),
      "more than 65536 bytes"),
    .init("key without a value", value: P.ascii("}(Nu"), "a key without a value"),
    .init("key of a list", value: P.ascii("](NNu"), "sets a key of a list"),
    .init("append to a dictionary", value: P.ascii("}Na"), "appends to a dictionary"),
    .init("append to a tuple", value: P.ascii(")(NNe"), "appends to a tuple"),
    .init(
      "pairs that are none",
      value: P.call("collections", "OrderedDict", [P.ascii("](NNe")]), "a pair was expected"),
    .init("copies that outgrow the pickle", value: copies, "copies more values than it holds"),
  ]

  /// A list of pairs of which many dictionaries are made.
  private static let copies: [UInt8] = {
    let pairs = P.ascii("](") + Array(repeating: P.ascii("NN") + [0x86], count: 60).joined()
    let arguments = pairs + P.ascii("e") + [0x85] + P.ascii("q") + [1]
    let function = P.global("collections", "OrderedDict") + P.ascii("q") + [2]
    let call = P.ascii("h") + [2] + P.ascii("h") + [1] + P.ascii("R0")
    return arguments + function + Array(repeating: call, count: 60).joined()
  }()

  static let values: [HostilePickle] = [
    .init("nothing", value: P.ascii("N"), "holds None instead of a dictionary"),
    .init("a list", value: P.ascii("]"), "holds a list"),
    .init("a single tensor", value: P.tensor(), "holds a tensor instead of a dictionary"),
    .init("no tensors", value: P.dictionary([(P.text("a"), P.integer(1))]), "no tensors"),
    .init(
      "a dictionary that contains itself",
      value: P.ascii("}q") + [0] + P.text("w") + P.tensor() + P.ascii("s") + P.text("d")
        + P.ascii("h") + [0] + P.ascii("s"), "contains itself"),
    .init(
      "a list that contains itself",
      value: P.dictionary([
        (P.text("w"), P.tensor()),
        (P.text("l"), P.ascii("]q") + [0] + P.tensor() + P.ascii("ah") + [0] + P.ascii("a")),
      ]), "\"l.1\" contains itself"),
    .init(
      "two names that become one",
      value: P.dictionary([
        (P.text("a.b"), P.tensor()), (P.text("a"), P.dictionary([(P.text("b"), P.tensor())])),
      ]), "Two tensors are named \"a.b\""),
    .init("a tensor under None", value: P.dictionary([(P.ascii("N"), P.tensor())]), "under None"),
    .init(
      "deep nesting",
      value: P.dictionary([
        (P.text("w"), P.tensor()),
        (
          P.text("d"),
          Array(repeating: P.ascii("]"), count: 5000).joined() + P.tensor()
            + Array(repeating: P.ascii("a"), count: 5000).joined()
        ),
      ]), "nested deeper than 32"),
    .init("lists that double", value: doubling(levels: 28), "refer to each other so often"),
  ]

  /// Nested lists of two equal members each, so that walking all paths would take 2^levels steps.
  private static func doubling(levels: Int) -> [UInt8] {
    var list = P.ascii("](") + P.tensor() + P.ascii("Ne")
    for level in 0..<levels {
      let memo = [UInt8(level)]
      list = list + P.ascii("q") + memo + P.ascii("0](h") + memo + P.ascii("h") + memo
      list += P.ascii("e")
    }
    return P.ascii("}") + P.text("w") + P.tensor() + P.ascii("s") + P.text("l") + list
      + P.ascii("s")
  }

  static let tensors: [HostilePickle] = [
    .init("beyond the storage", tensor: P.tensor(extents: [5]), "reaches beyond its storage"),
    .init(
      "offset beyond the storage", tensor: P.tensor(offset: P.integer(1)), "from element 1 on"),
    .init("huge offset", tensor: P.tensor(offset: P.integer(.max)), "reaches beyond"),
    .init("negative offset", tensor: P.tensor(offset: P.integer(-1)), "starts at element -1"),
    .init(
      "offset of 72 bits", tensor: P.tensor(offset: [0x8A, 9, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
      "an integer of 64 bits was expected"),
    .init("offset in words", tensor: P.tensor(offset: P.text("0")), "at a text"),
    .init("negative extent", tensor: P.tensor(extents: [-1]), "negative extent"),
    .init("negative stride", tensor: P.tensor(strides: [-1]), "negative stride"),
    .init(
      "too many elements",
      tensor: P.tensor(extents: [1 << 32, 1 << 32], strides: [0, 0]), "too many elements"),
    .init(
      "bytes that overflow", tensor: P.tensor(extents: [1 << 60], strides: [0]),
      "too many elements"),
    .init(
      "stride that overflows", tensor: P.tensor(extents: [4], strides: [.max]), "reaches beyond"),
    .init(
      "sum that overflows",
      tensor: P.tensor(extents: [2, 2], strides: [.max, .max]), "reaches beyond"),
    .init(
      "a terabyte of one number", tensor: P.tensor(extents: [1 << 38], strides: [0]),
      "repeats 4 stored elements"),
    .init("fewer strides", tensor: P.tensor(extents: [2, 2], strides: [1]), "2 extents but 1"),
    .init(
      "too many axes",
      tensor: P.tensor(
        extents: Array(repeating: 1, count: 17), strides: Array(repeating: 1, count: 17)),
      "17 axes"),
    .init(
      "shape of texts",
      tensor: P.call(
        "torch._utils", "_rebuild_tensor",
        [P.storage(), P.integer(0), P.tuple([P.text("4")]), P.tuple([P.integer(1)])]),
      "hold a text"),
    .init(
      "shape that is no tuple",
      tensor: P.call(
        "torch._utils", "_rebuild_tensor",
        [P.storage(), P.integer(0), P.integer(4), P.integer(1)]), "an integer as its shape"),
    .init(
      "too few arguments", tensor: P.call("torch._utils", "_rebuild_tensor_v2", [P.storage()]),
      "of 1 arguments"),
    .init("no storage", tensor: P.tensor(storage: P.ascii("N")), "a storage was expected"),
    .init(
      "storage without data", tensor: P.tensor(storage: P.storage(key: "9")),
      "no data for the storage \"9\""),
    .init(
      "storage of a path", tensor: P.tensor(storage: P.storage(key: "../data.pkl")),
      "no data for the storage"),
    .init(
      "storage larger than its data", tensor: P.tensor(storage: P.storage(count: P.integer(5))),
      "claims 5 elements"),
    .init(
      "storage that overflows", tensor: P.tensor(storage: P.storage(count: P.integer(.max))),
      "claims 9223372036854775807 elements"),
    .init(
      "storage of negative size", tensor: P.tensor(storage: P.storage(count: P.integer(-1))),
      "claims -1 elements"),
    .init(
      "storage of unknown size", tensor: P.tensor(storage: P.storage(count: P.text("4"))),
      "describes a storage in an unknown way"),
    .init(
      "identifier of no form", tensor: P.tensor(storage: P.text("0") + P.ascii("Q")),
      "of no known form"),
    .init(
      "bytes without a type",
      tensor: P.tensor(storage: P.storage(type: P.global("torch.storage", "UntypedStorage"))),
      "storage without a type"),
    .init(
      "untyped storage too small for the type", tensor: untyped(P.global("torch", "float64")),
      "storage of 2 elements"),
    .init("type that is a text", tensor: untyped(P.text("float64")), "a text as its type"),
    .init("quantized", tensor: untyped(P.global("torch", "qint8")), "torch.qint8 are not"),
    .init(
      "complex of 128 bits",
      tensor: P.tensor(storage: P.storage(type: P.global("torch", "ComplexDoubleStorage"))),
      "torch.complex128 are not supported"),
    .init(
      "negated view",
      tensor: P.tensor(more: [P.dictionary([(P.text("neg"), [0x88])])]), "resolve_neg()"),
    .init(
      "parameter of nothing",
      tensor: P.call("torch._utils", "_rebuild_parameter", [P.ascii("N")]), "is no tensor"),
    .init(
      "subclass of a subclass",
      tensor: P.call(
        "torch._tensor", "_rebuild_from_type_v2",
        [
          P.global("torch._tensor", "_rebuild_from_type_v2"), P.global("torch", "Tensor"),
          P.tuple([]), P.ascii("N"),
        ]), "in an unknown way"),
  ]

  /// Four elements of a stated type over sixteen bytes.
  private static func untyped(_ type: [UInt8]) -> [UInt8] {
    let bytes = P.storage(
      type: P.global("torch.storage", "UntypedStorage"), count: P.integer(16))
    return P.call(
      "torch._utils", "_rebuild_tensor_v3",
      [
        bytes, P.integer(0), P.tuple([P.integer(4)]), P.tuple([P.integer(1)]), [0x89],
        P.ascii("N"), type,
      ])
  }

  @Test("The error names the tensor and the byte of the instruction")
  func place() {
    let pickle = P.state(P.tensor(extents: [5]))
    let archive = PyTorchZip(pickle: pickle).bytes
    let error = #expect(throws: TinctureError.self) { try PyTorchScratch.open(archive) }
    #expect(error?.place.tensor == "w")
    let offset = error?.place.byteOffset ?? 0
    #expect(archive[offset...].starts(with: P.ascii("Ru.PK")))
  }

  @Test("A pickle that is cut anywhere is refused")
  func truncated() {
    let pickle = P.state(P.tensor())
    for count in 0..<pickle.count {
      let archive = PyTorchZip(pickle: Array(pickle[..<count])).bytes
      let error = #expect(throws: TinctureError.self) { try PyTorchScratch.open(archive) }
      #expect(error?.code == .checkpoint)
    }
  }
}
