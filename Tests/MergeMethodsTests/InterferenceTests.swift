import Testing
import TinctureLinearAlgebra
import TinctureMergeTesting
import TinctureMerging
import TinctureTensors

@testable import TinctureMergeMethods

@Suite("Task vectors that are searched for do what their formulas say", .needsBLAS)
struct InterferenceTests {
  private var tasks: [Matrix<Float>] {
    PaperVector.deltas.map { Matrix(rows: 2, columns: 3, $0) }
  }

  private func expect(_ got: Matrix<Float>, _ expected: [Float], within tolerance: Float = 1e-6) {
    #expect(got.count == expected.count)
    for (index, pair) in zip(got.array, expected).enumerated() {
      #expect((pair.0 - pair.1).magnitude <= tolerance, "[\(index)] \(pair.0) for \(pair.1)")
    }
  }

  private func sum(_ tasks: [Matrix<Float>]) -> Matrix<Float> {
    var result = tasks[0]
    for task in tasks.dropFirst() { result.add(task) }
    return result
  }

  // MARK: WUDI

  @Test("WUDI's steps, its minimum and its flow agree with vectors worked out from the formula")
  func wudiVectors() async throws {
    expect(
      try await merged("wudi", tasks),
      [0.11705007, -0.097096186, -0.042876427, 0.037109648, 0.107032127, 0.117177627])
    let minimum: [Float] = [
      0.075976096, -0.086017313, -0.057331124, 0.017335119, 0.071841357, 0.103059722,
    ]
    for start in ["sum", "mean", "zero"] {
      expect(
        try await merged(
          "wudi", tasks,
          [
            "solver": .text("aswudi"), "rank": .text("variance"), "keep": .number(1),
            "init": .text(start),
          ]), minimum)
    }
    expect(
      try await merged(
        "wudi", tasks,
        ["solver": .text("swudi"), "keep": .number(1), "exp_time": .number(1e6)]), minimum)
    expect(
      try await merged(
        "wudi", tasks, ["solver": .text("swudi"), "keep": .number(1), "exp_time": .number(2)]),
      [0.080763112, -0.084334016, -0.055043699, 0.023785501, 0.083864061, 0.108576836])
  }

  /// The published search, as its formula stands: products of all rows of all tasks in each step.
  private func stepped(_ tasks: [Matrix<Float>], _ steps: Int) throws -> Matrix<Double> {
    let algebra = try Backend.shared
    let wide = tasks.map { $0.converted(to: Double.self) }
    var point = sum(tasks).converted(to: Double.self)
    var means = [Double](repeating: 0, count: point.count)
    var squares = means
    var (first, second) = (1.0, 1.0)
    for _ in 0..<steps {
      var gradient = Matrix<Double>(rows: point.rows, columns: point.columns)
      for task in wide {
        var distance = point
        distance.add(task, times: -1)
        let image = try algebra.multiply(distance, task, transposing: .second)
        let size = task.frobeniusNorm * task.frobeniusNorm
        try algebra.multiply(image, task, scale: 2 / size, into: &gradient)
      }
      first *= 0.9
      second *= 0.999
      let slopes = gradient.array
      point.change { values in
        for i in 0..<values.count {
          means[i] = 0.9 * means[i] + 0.1 * slopes[i]
          squares[i] = 0.999 * squares[i] + 0.001 * slopes[i] * slopes[i]
          values[i] -=
            1e-5 * means[i] / (1 - first) / ((squares[i] / (1 - second)).squareRoot() + 1e-8)
        }
      }
    }
    return point
  }

  @Test(
    "Products found once give the steps of products found anew, for wide matrices, too",
    arguments: [(5, 7), (3, 40), (12, 4), (1, 9), (9, 1)])
  func steps(extents: (Int, Int)) async throws {
    let tasks = (0..<2).map { noise(extents.0, extents.1, seed: 400 + $0) }
    let expected = try stepped(tasks, 40).converted(to: Float.self)
    let got = try await merged("wudi", tasks, ["iter_num": .number(40)])
    expect(got, expected.array, within: 2e-6)
  }

  @Test("One task alone stays, and tasks in directions of their own add up", arguments: [4, 30])
  func undisturbed(columns: Int) async throws {
    let alone = noise(3, columns, seed: 410)
    for solver in ["adam", "swudi", "aswudi"] {
      let got = try await merged("wudi", [alone], ["solver": .text(solver)])
      expect(got, alone.array)
    }
    var tasks = [Matrix<Float>(rows: 4, columns: columns), Matrix(rows: 4, columns: columns)]
    for i in 0..<4 {
      for j in 0..<columns { tasks[j % 2][i, j] = noise(4, columns, seed: 411)[i, j] }
    }
    let got = try await merged("wudi", tasks, ["solver": .text("aswudi")])
    expect(got, sum(tasks).array)
  }

  @Test("The flow begins at the start, and half of the directions are half way")
  func flow() async throws {
    let tasks = (0..<2).map { noise(8, 10, seed: 420 + $0) }
    let still = try await merged("wudi", tasks, ["solver": .text("swudi"), "exp_time": .number(0)])
    expect(still, sum(tasks).array)
    let none = try await merged("wudi", tasks, ["solver": .text("swudi"), "keep": .number(0)])
    expect(none, sum(tasks).array)
    var half = try await merged("wudi", tasks, ["solver": .text("swudi"), "keep": .number(0.5)])
    half.add(sum(tasks), times: -1)
    let spectrum = try Backend.shared.singularValues(half)
    #expect(spectrum.prefix { $0 > 1e-4 }.count == 5)
  }

  @Test("Tensors that are no matrices get the mean, or stay")
  func others() async throws {
    let method = try #require(MethodRegistry.method(named: "wudi"))
    func model(_ values: [Float]) -> TinyModel {
      TinyModel([.init("w", shape: Shape(vector: 2), values)])
    }
    for (others, expected) in [("mean", [2, 3] as [Float]), ("base", [1, 1])] {
      let trial = MergeTrial(
        method, base: model([1, 1]), models: [model([2, 4]), model([2, 2])],
        parameters: try ResolvedParameters(
          for: method.info, ["others": .text(others)], modelCount: 2))
      #expect(try await trial.run().model["w"] == expected)
    }
  }

  @Test(
    "Rules for the number of directions agree where all eigenvalues are equal, and where one is")
  func ranks() {
    let flat = [Double](repeating: 0.7, count: 20)
    let single = [2.0] + [Double](repeating: 0, count: 19)
    let halves = [Double](repeating: 3, count: 5) + [Double](repeating: 0, count: 15)
    for rule in EffectiveRank.allCases {
      let wanted = rule == .gavishDonoho ? 0 : rule == .variance ? 13 : 20
      #expect(rule.rank(of: flat, share: 0.65, aspect: 1) == wanted, "\(rule)")
      #expect(rule.rank(of: single, share: 0.65, aspect: 1) == 1, "\(rule)")
      let five = rule == .variance ? 4 : 5
      #expect(rule.rank(of: halves, share: 0.65, aspect: 1) == five, "\(rule)")
      #expect(rule.rank(of: [0, 0], share: 0.65, aspect: 1) == 0, "\(rule)")
    }
    // (√4 + √1)² / 5 = 1.8, (4 + 1)² / 17 = 1.47, 17 / 16.
    #expect(EffectiveRank.participationSqrt.rank(of: [4, 1], share: 0, aspect: 1) == 2)
    #expect(EffectiveRank.stable.rank(of: [4, 1], share: 0, aspect: 1) == 2)
    #expect(EffectiveRank.participation.rank(of: [9, 0.1], share: 0, aspect: 1) == 2)
  }

  // MARK: OptMerge

  @Test("OptMerge agrees with vectors worked out from the formula, as both scripts have it")
  func optMergeVectors() async throws {
    let pair = Array(tasks.prefix(2))
    expect(
      try await merged("optmerge", pair, PaperVector.preset("lora", of: "optmerge", [:])),
      [0.036594943, -0.064169575, 0.017710597, 0.029177591, 0.041898853, 0.05686292])
    let full: [Float] = [
      0.057066153, -0.107090351, 0.047038813, 0.067049754, 0.062959779, 0.081103144,
    ]
    expect(try await merged("optmerge", pair, ["alpha": .number(1)]), full)
    expect(try await merged("optmerge", pair), full.map { 0.1 * $0 })
  }

  @Test("OptMerge of more tasks than rows keeps one direction of each")
  func manyTasks() async throws {
    let tasks = (0..<5).map { noise(3, 6, seed: 430 + $0) }
    let start = try await merged("optmerge", tasks, ["alpha": .number(1), "iter_num": .number(0)])
    expect(start, sum(tasks).array)
    let moved = try await merged("optmerge", tasks, ["alpha": .number(1)])
    #expect(zip(moved.array, start.array).contains { ($0 - $1).magnitude > 1e-3 })
  }

  // MARK: DOGE

  @Test("DOGE agrees with vectors worked out from the formula")
  func dogeVectors() async throws {
    let got = try await merged(
      "doge", Array(tasks.prefix(2)), ["subspace": .number(2), "density": .number(0.5)])
    let expected: [Float] = [
      0.559698294, -0.275912551, 0.125675086, 0.049816762, 0.329838944, -0.339301398,
    ]
    expect(got, zip(expected, PaperVector.base).map { $0 - $1 }, within: 2e-6)
  }

  @Test("Without steps DOGE is task arithmetic with weights over norms")
  func unmoved() async throws {
    let tasks = (0..<3).map { noise(7, 5, seed: 440 + $0) }
    let got = try await merged("doge", tasks, ["steps": .number(0), "density": .number(1)])
    var expected = Matrix<Float>(rows: 7, columns: 5)
    for task in tasks { expected.add(task, times: 0.07 / Float(task.frobeniusNorm)) }
    expect(got, expected.array)
    let none = try await merged("doge", tasks, ["density": .number(0)])
    expect(none, [Float](repeating: 0, count: 35))
  }

  // MARK: AWD

  @Test("AWD agrees with vectors worked out from the formula")
  func awdVectors() async throws {
    let gram = PaperVector.deltas.map { a in
      PaperVector.deltas.map { b in zip(a, b).reduce(0) { $0 + Double($1.0) * Double($1.1) } }
    }
    var search = Disentanglement()
    #expect((search.slope(at: [0, 0, 0], gram).loss - 0.280252392).magnitude < 1e-6)
    search.rate = 1e-4
    search.steps = 1
    let one = search.coefficients(gram)
    #expect((search.slope(at: one, gram).loss - 0.276916488).magnitude < 1e-6)
    search.steps = 50
    let coefficients = search.coefficients(gram)
    for (got, wanted) in zip(coefficients, [0.007251643, -0.151584835, -0.053764644]) {
      #expect((got - wanted).magnitude < 1e-6)
    }
    let redundant: [Float] = [
      0.003562679, 0.008194862, 0.000436306, -0.008997999, 0.000923596, -0.015865737,
    ]
    let settings: [String: ParameterValue] = [
      "lr": .number(1e-4), "iter_num": .number(50), "lambda": .number(1),
    ]
    let got = try await merged("awd", tasks, settings)
    expect(got, zip(sum(tasks).array, redundant).map { $0 - 3 * $1 })
  }

  @Test("Descent over the Gram matrix is descent over whole vectors")
  func wholeVectors() throws {
    let tasks = (0..<4).map { noise(1, 30, seed: 450 + $0).array.map { Double($0) } }
    func dot(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }
    var search = Disentanglement()
    search.steps = 25
    search.rate = 0.05
    var redundant = [Double](repeating: 0, count: 30)
    for _ in 0..<25 {
      let rests = tasks.map { zip($0, redundant).map { $0 - $1 } }
      let size = dot(redundant, redundant).squareRoot()
      var gradient = redundant.map { size > 0 ? 0.1 * $0 / size : 0 }
      for i in 0..<4 {
        for j in i + 1..<4 {
          let (n, m) = (dot(rests[i], rests[i]).squareRoot(), dot(rests[j], rests[j]).squareRoot())
          let cosine = dot(rests[i], rests[j]) / (n * m)
          let sign = cosine > 0 ? 1.0 : -1.0
          for k in 0..<30 {
            let change =
              (rests[i][k] + rests[j][k]) / (n * m)
              - cosine * (rests[i][k] / (n * n) + rests[j][k] / (m * m))
            gradient[k] -= 2.0 / 12 * sign * change
          }
        }
      }
      for k in 0..<30 { redundant[k] -= 0.05 * gradient[k] }
    }
    let coefficients = search.coefficients(tasks.map { a in tasks.map { dot(a, $0) } })
    for k in 0..<30 {
      let got = (0..<4).reduce(0) { $0 + coefficients[$1] * tasks[$1][k] }
      #expect((got - redundant[k]).magnitude < 1e-9)
    }
  }

  @Test("Orthogonal task vectors, and one alone, have nothing redundant")
  func nothingRedundant() {
    let search = Disentanglement()
    #expect(search.coefficients([[2, 0, 0], [0, 3, 0], [0, 0, 1]]) == [0, 0, 0])
    #expect(search.coefficients([[2]]) == [0])
    #expect(search.coefficients([]) == [])
    #expect(search.coefficients([[0, 0], [0, 1]]) == [0, 0])
  }
}
