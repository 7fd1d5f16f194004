import Testing
import TinctureTensors
import TinctureTorch

@Suite("Derivatives along directions", .needsLibTorch)
struct ForwardModeTests {
  private func random(_ name: String, _ shape: [Int]) throws -> TorchTensor {
    try .normal(shape, CounterRandom(seed: 6, tensor: name, purpose: "test"))
      .converted(to: .f64)
  }

  /// Compares J ẋ with a central difference of the function, in double precision.
  private func check(
    _ shapes: [String: [Int]], moving: Set<String>? = nil,
    of body: ([String: TorchTensor]) throws(TinctureError) -> TorchTensor
  ) throws {
    var (points, directions): ([String: TorchTensor], [String: TorchTensor]) = ([:], [:])
    for (name, shape) in shapes {
      points[name] = try random(name, shape)
      if moving?.contains(name) ?? true { directions[name] = try random("d" + name, shape) }
    }
    let found = try ForwardMode.derivative(at: points, along: directions, of: body)
    let plain = try body(points).array(as: Double.self)
    for (a, b) in zip(try found.value.array(as: Double.self), plain) { #expect(abs(a - b) < 1e-9) }
    func moved(_ factor: Double) throws -> [Double] {
      var own = points
      for (name, direction) in directions {
        own[name] = try points[name].map { try $0 + direction * factor }
      }
      return try body(own).array(as: Double.self)
    }
    let (ahead, behind) = (try moved(1e-5), try moved(-1e-5))
    let derivative = try found.derivative.array(as: Double.self)
    #expect(derivative.count == plain.count)
    for index in plain.indices {
      let quotient = (ahead[index] - behind[index]) / 2e-5
      #expect(abs(derivative[index] - quotient) < 1e-5 * max(1, abs(quotient)))
    }
  }

  @Test("Layers, functions and normalisations")
  func layers() throws {
    try check(["x": [4, 3], "w": [5, 3], "b": [5]]) { (t) throws(TinctureError) in
      guard let x = t["x"], let w = t["w"] else { return try .zeros([]) }
      return try x.linear(weight: w, bias: t["b"]).gelu()
    }
    try check(["x": [4, 3], "w": [3], "b": [3]], moving: ["w", "x"]) { (t) throws(TinctureError) in
      guard let x = t["x"], let w = t["w"] else { return try .zeros([]) }
      return try x.layerNorm(weight: w, bias: t["b"])
    }
    try check(["x": [2, 1, 4, 4], "w": [3, 1, 2, 2]]) { (t) throws(TinctureError) in
      guard let x = t["x"], let w = t["w"] else { return try .zeros([]) }
      return try x.conv2d(weight: w, stride: 2).softmax(along: 1)
    }
  }

  @Test(
    "Attention, with masks, without later keys, with shared keys",
    arguments: ["", "mask", "sum", "causal", "grouped"])
  func attention(kind: String) throws {
    let heads = kind == "grouped" ? 1 : 2
    let shapes = ["q": [1, 2, 4, 3], "k": [1, heads, 4, 3], "v": [1, heads, 4, 3]]
    try check(shapes) { (t) throws(TinctureError) in
      guard let q = t["q"], let k = t["k"], let v = t["v"] else { return try .zeros([]) }
      var mask: TorchTensor?
      if kind == "mask" {
        mask = try TorchTensor((0..<16).map { $0 % 3 != 0 || $0 < 4 }, shape: [4, 4])
      } else if kind == "sum" {
        mask = try TorchTensor((0..<16).map { Double($0 % 5) }, shape: [4, 4])
      }
      return try q.attention(
        key: k, value: v, mask: mask, causal: kind == "causal", grouped: kind == "grouped")
    }
  }

  @Test(
    "What nothing moves has zeros, passes follow each other, and a failing one leaves nothing behind"
  )
  func still() throws {
    let x = try random("x", [3])
    for _ in 0..<3 {
      let found = try ForwardMode.derivative(at: ["x": x], along: [:]) {
        (t) throws(TinctureError) in
        try (t["x"] ?? x) * 2
      }
      #expect(try found.derivative.array(as: Double.self) == [0, 0, 0])
      #expect(throws: TinctureError.self) {
        try ForwardMode.derivative(at: ["x": x], along: ["x": x]) { (t) throws(TinctureError) in
          try (t["x"] ?? x).matmul(.zeros([7, 7], dtype: .f64))
        }
      }
    }
  }
}
