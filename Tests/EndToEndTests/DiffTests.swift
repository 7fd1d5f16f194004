import Foundation
import Testing
import TinctureLinearAlgebra

#if canImport(FoundationXML)
  import FoundationXML
#endif

@Suite("Comparing models and looking at spectra", .timeLimit(.minutes(25)))
struct DiffTests {
  let workshop: Workshop
  let base = TinyModel.llama(1)
  let models: [TinyModel]

  init() throws {
    workshop = try Workshop()
    try base.write("base", in: workshop)
    models = [base.tuned(2), base.tuned(3, by: 0.25)]
    for (name, model) in zip(["a", "b"], models) { try model.write(name, in: workshop) }
  }

  private func report(_ arguments: String...) async throws -> [String: Any] {
    let run = try await workshop.start(arguments).end()
    expect(run, ends: 0)
    return try #require(
      JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any])
  }

  private func task(_ model: Int, _ name: String) -> [Double] {
    zip(models[model].values(name), base.values(name)).map { Double($0 - $1) }
  }

  private func product(_ a: [Double], _ b: [Double]) -> Double {
    zip(a, b).reduce(0) { $0 + $1.0 * $1.1 }
  }

  @Test("Norms, cosines and signs are those of the elements")
  func figures() async throws {
    let report = try await report("diff", "base", "a", "b", "--no-spectra", "--json")
    let vectors = (0..<2).map { model in base.names.flatMap { task(model, $0) } }
    let own = try #require(report["models"] as? [[String: Any]])
    let weights = base.names.flatMap { base.values($0).map(Double.init) }
    for (model, entry) in own.enumerated() {
      let norm = product(vectors[model], vectors[model]).squareRoot()
      let shown = try #require(entry["norm"] as? Double)
      #expect((shown - norm).magnitude < 1e-6 * norm)
      let share = try #require(entry["share_of_base"] as? Double)
      #expect((share - norm / product(weights, weights).squareRoot()).magnitude < 1e-6)
      #expect(entry["effective_rank_share"] is NSNull)
    }
    let cosines = try #require(report["cosines"] as? [[Double]])
    let cosine =
      product(vectors[0], vectors[1])
      / (product(vectors[0], vectors[0]) * product(vectors[1], vectors[1])).squareRoot()
    #expect((cosines[0][1] - cosine).magnitude < 1e-6 && cosines[0][1] == cosines[1][0])
    #expect((cosines[0][0] - 1).magnitude < 1e-12)
    let signs = try #require(report["sign_agreement"] as? [[Double]])
    let both = zip(vectors[0], vectors[1]).filter { $0 != 0 && $1 != 0 }
    let same = both.filter { ($0 > 0) == ($1 > 0) }.count
    #expect((signs[0][1] - Double(same) / Double(both.count)).magnitude < 1e-12)
    let tensors = try #require(report["tensors"] as? [[String: Any]])
    #expect(tensors.compactMap { $0["name"] as? String }.sorted() == base.names.sorted())
  }

  @Test("Small elements are counted, over all tensors, by layer and by tensor")
  func sparsity() async throws {
    let report = try await report(
      "diff", "base", "a", "b", "--no-spectra", "--json", "--thresholds", "0.05, 0,0.1")
    #expect(report["thresholds"] as? [Double] == [0, 0.05, 0.1])
    let own = try #require(report["models"] as? [[String: Any]])
    for (model, entry) in own.enumerated() {
      let shares = try #require(entry["sparsity"] as? [Double])
      let sizes = base.names.flatMap { task(model, $0) }.map(\.magnitude)
      for (share, threshold) in zip(shares, [0, 0.05, 0.1]) {
        let small = sizes.filter { $0 <= Double(Float(threshold)) }.count
        #expect((share - Double(small) / Double(sizes.count)).magnitude < 1e-12)
      }
    }
    let layers = try #require(report["layers"] as? [[String: Any]])
    #expect(layers.compactMap { $0["layer"] as? Int }.sorted() == [0, 1])
    let first = try #require(layers.first { $0["name"] as? String == "model.layers.0" })
    let names = base.names.filter { $0.hasPrefix("model.layers.0.") }
    let (a, b) = (names.flatMap { task(0, $0) }, names.flatMap { task(1, $0) })
    let norms = try #require(first["norms"] as? [Double])
    #expect((norms[1] - product(b, b).squareRoot()).magnitude < 1e-6)
    let cosines = try #require(first["cosines"] as? [[Double]])
    let cosine = product(a, b) / (product(a, a) * product(b, b)).squareRoot()
    #expect((cosines[0][1] - cosine).magnitude < 1e-6)
    let tensor = try #require((report["tensors"] as? [[String: Any]])?.first)
    #expect((tensor["sparsity"] as? [[Double]])?.first?.count == 3)
    let text = try await workshop.tincture("diff", "base", "a", "b", "--no-spectra", "--layers")
    expect(text, ends: 0)
    #expect(text.output.contains("elements up to") && text.output.contains("model.layers.1"))
    #expect(text.output.contains("a · b") && text.output.contains("≤ 0.001"))
    for wrong in ["-1", "x", "nan"] {
      let run = try await workshop.tincture("diff", "base", "a", "--thresholds=\(wrong)")
      expect(run, ends: 64)
    }
  }

  @Test(
    "One task vector lies within another where it needs no other directions",
    .enabled(if: Backend.isAvailable))
  func containment() async throws {
    let name = "model.layers.0.self_attn.q_proj.weight"
    var both = base
    var one = base
    // Rows 0 and 3: one model changes the first, the other changes both, 3 to 4.
    var values = base.values(name)
    values[0] += 2
    one[name] = TinyTensor(.f32, [8, 8], values)
    values = base.values(name)
    values[1] += 3
    values[3 * 8 + 2] += 4
    both[name] = TinyTensor(.f32, [8, 8], values)
    try one.write("one", in: workshop)
    try both.write("both", in: workshop)
    let report = try await report(
      "diff", "base", "one", "both", "--json", "--filter", "0.self_attn.q_proj")
    let shares = try #require(report["containment"] as? [[Double]])
    #expect((shares[0][0] - 1).magnitude < 1e-6 && (shares[1][1] - 1).magnitude < 1e-6)
    #expect((shares[0][1] - 1).magnitude < 1e-6 && (shares[1][0] - 0.6).magnitude < 1e-5)
  }

  @Test("Histograms count every element once")
  func histograms() async throws {
    var model = TinyModel()
    model["w"] = TinyTensor(.f32, [2, 3], [0, 0, 1, 2, 4, -4])
    model["far"] = TinyTensor(.f32, [40], [Float](repeating: 0, count: 39) + [1000])
    model["odd"] = TinyTensor(.f32, [2], [.nan, 1])
    model["n"] = TinyTensor(.i64, [2], [1, 2])
    try model.write("m", in: workshop)
    let report = try await report("inspect", "m", "--histogram", "--bins", "4", "--json")
    let whole = try #require(report["distribution"] as? [String: Any])
    #expect(whole["count"] as? Int == 47 && whole["not_finite"] as? Int == 1)
    #expect(whole["zeros"] as? Int == 41 && whole["largest"] as? Double == 1000)
    let tensors = try #require(report["tensors"] as? [[String: Any]])
    let found = Dictionary(
      uniqueKeysWithValues: tensors.map { ($0["name"] as? String ?? "", $0["distribution"]) })
    #expect(found["n"] is NSNull)
    let w = try #require(found["w"] as? [String: Any])
    #expect(w["edges"] as? [Double] == [-4, -2, 0, 2, 4])
    #expect(w["counts"] as? [Int] == [1, 0, 3, 2])
    #expect(w["mean"] as? Double == 0.5 && w["zeros"] as? Int == 2)
    let far = try #require(found["far"] as? [String: Any])
    #expect(far["above"] as? Int == 1 && far["below"] as? Int == 0)
    #expect((far["counts"] as? [Int])?.reduce(0, +) == 39)
    let total =
      ((whole["counts"] as? [Int])?.reduce(0, +) ?? 0) + (whole["above"] as? Int ?? 0)
      + (whole["below"] as? Int ?? 0)
    #expect(total == 47)
    let text = try await workshop.tincture("inspect", "m", "--histogram", "--workers", "3")
    expect(text, ends: 0)
    #expect(text.output.contains("distribution") && text.output.contains("█"))
    #expect(text.output.contains("1 elements are not finite"))
    let page = try await workshop.tincture("inspect", "m", "--histogram", "--html", "h.html")
    expect(page, ends: 0)
    let maps = try XMLDocument(data: Data(contentsOf: workshop.url("h.html")))
      .nodes(forXPath: "//*[local-name()='svg'][@role='img']")
    #expect(maps.count == 2)
    expect(try await workshop.tincture("inspect", "m", "--html", "h.html"), ends: 64)
    expect(try await workshop.tincture("inspect", "m", "--histogram", "--bins", "1"), ends: 64)
  }

  @Test("Any number of workers gives the same figures", .enabled(if: Backend.isAvailable))
  func workers() async throws {
    let one = try await workshop.tincture("diff", "base", "a", "b", "--json", "--workers", "1")
    expect(one, ends: 0)
    for options in [["--workers", "4"], ["--workers", "2", "--memory", "1MB"]] {
      let other = try await workshop.start(["diff", "base", "a", "b", "--json"] + options).end()
      #expect(other.output == one.output)
    }
  }

  @Test(
    "Directions are shared with itself, and not with what is orthogonal",
    .enabled(if: Backend.isAvailable))
  func alignment() async throws {
    var (first, second) = (base, base)
    let name = "model.layers.0.self_attn.q_proj.weight"
    for (model, axis) in [(0, 0), (1, 3)] {
      var values = base.values(name)
      values[axis * 8 + axis] += 2
      let tensor = TinyTensor(.f32, [8, 8], values)
      if model == 0 { first[name] = tensor } else { second[name] = tensor }
    }
    try first.write("first", in: workshop)
    try second.write("second", in: workshop)
    let report = try await report(
      "diff", "base", "first", "second", "--json", "--filter", "0.self_attn.q_proj")
    let alignment = try #require(report["alignment"] as? [[Double]])
    #expect((alignment[0][0] - 1).magnitude < 1e-9 && alignment[0][1].magnitude < 1e-9)
    let tensor = try #require((report["tensors"] as? [[String: Any]])?.first)
    let spectrum = try #require((tensor["spectra"] as? [[String: Any]])?.first)
    #expect((try #require(spectrum["effective_rank"] as? Double) - 1).magnitude < 1e-9)
    #expect((try #require(spectrum["largest"] as? Double) - 2).magnitude < 1e-6)
    #expect(spectrum["rank_99"] as? Int == 1 && spectrum["count"] as? Int == 8)
  }

  @Test(
    "The text has a table for each figure, and every tensor when asked",
    .enabled(if: Backend.isAvailable))
  func text() async throws {
    let run = try await workshop.tincture("diff", "base", "a", "b")
    expect(run, ends: 0)
    for title in ["model", "cosine", "same sign", "shared directions", "lies within"] {
      #expect(run.output.contains("\n\(title) ") || run.output.hasPrefix("\(title) "))
    }
    #expect(!run.output.contains("q_proj"))
    let all = try await workshop.tincture("diff", "base", "a", "b", "--tensors", "--no-spectra")
    for name in base.names { #expect(all.output.contains(name)) }
    let single = try await workshop.tincture("diff", "base", "a", "--no-spectra")
    expect(single, ends: 0)
    #expect(!single.output.contains("cosine"))
  }

  @Test(
    "The page is well-formed and has the figures, whatever tensors are called",
    .enabled(if: Backend.isAvailable))
  func page() async throws {
    let hostile = "</title><script>alert('1')</script>&lt;.weight"
    var odd = base
    odd.add(.f32, [(hostile, [8, 8])], seed: 3)
    try odd.write("odd", in: workshop)
    try odd.tuned(4).write("c", in: workshop)
    let run = try await workshop.tincture("diff", "odd", "c", "a", "--html", "x.html", "--json")
    expect(run, ends: 0)
    #expect(run.errors.contains("1 tensors are not in all models"))
    let json = try #require(
      JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any])
    let page = try XMLDocument(data: Data(contentsOf: workshop.url("x.html")))
    let maps = try page.nodes(forXPath: "//*[local-name()='svg'][@role='img']")
    #expect(maps.count >= 5)
    let norm = try #require((json["models"] as? [[String: Any]])?.first?["norm"] as? Double)
    let cells = try page.nodes(forXPath: "//*[local-name()='data']/@value")
      .compactMap { $0.stringValue.flatMap(Double.init) }
    #expect(cells.contains { ($0 - norm).magnitude < 1e-12 * norm })
    #expect(!(try workshop.text("x.html")).contains("<script"))
    let again = try await workshop.tincture("diff", "odd", "c", "a", "--html", "x.html")
    expect(again, ends: 73)
    expect(
      try await workshop.tincture("diff", "odd", "c", "a", "--html", "x.html", "--force"), ends: 0)
  }

  @Test("Wrong use and unsound models end with a sentence")
  func refusals() async throws {
    var broken = models[0]
    broken["model.norm.weight"]?.values[2] = .nan
    try broken.write("broken", in: workshop)
    for (arguments, status, fragment) in [
      (["base"], 64, "models"), (["base", "a", "--rank", "0"], 64, "--rank"),
      (["base", "a", "--force"], 64, "--html"), (["base", "none"], 66, "none"),
      (["base", "broken", "--no-spectra"], 65, "Element 2"),
    ] as [([String], Int32, String)] {
      let run = try await workshop.start(["diff"] + arguments).end()
      expect(run, ends: status)
      #expect(run.errors.contains(fragment), "\(run.errors)")
    }
    let nothing = try await workshop.tincture("diff", "base", "a", "--filter", "no such")
    expect(nothing, ends: 0)
    #expect(nothing.errors.contains("no such"))
  }

  @Test("Without BLAS the figures that need none are still there")
  func withoutBLAS() async throws {
    let hidden = ["TINCTURE_BLAS": workshop.url("nothing.so").path]
    let refused = try await workshop.tincture("diff", "base", "a", environment: hidden)
    expect(refused, ends: 69)
    expect(
      try await workshop.tincture("diff", "base", "a", "--no-spectra", environment: hidden), ends: 0
    )
  }

  @Test("Filters of convolutions have spectra, too", .enabled(if: Backend.isAvailable))
  func filters() async throws {
    var (base, tuned) = (TinyModel(), TinyModel())
    base["conv.weight"] = TinyTensor(.f32, [2, 1, 2, 2], [1, 1, 1, 1, 1, 1, 1, 1])
    tuned["conv.weight"] = TinyTensor(.f32, [2, 1, 2, 2], [4, 1, 1, 1, 1, 1, 1, 5])
    try base.write("base", in: workshop)
    try tuned.write("tuned", in: workshop)
    let report = try await report("diff", "base", "tuned", "--json")
    let tensor = try #require((report["tensors"] as? [[String: Any]])?.first)
    let spectrum = try #require((tensor["spectra"] as? [[String: Any]])?.first)
    #expect((try #require(spectrum["largest"] as? Double) - 4).magnitude < 1e-6)
    #expect((try #require(spectrum["stable_rank"] as? Double) - 25.0 / 16).magnitude < 1e-6)
    #expect(spectrum["count"] as? Int == 2 && spectrum["numerical_rank"] as? Int == 2)
  }

  @Test("Inspect finds the singular values of matrices", .enabled(if: Backend.isAvailable))
  func spectra() async throws {
    var model = TinyModel()
    let values = (0..<24).map { $0 / 6 == $0 % 6 ? Float([8, 4, 2, 1][$0 / 6]) : 0 }
    model["w"] = TinyTensor(.f32, [4, 6], values)
    model["b"] = TinyTensor(.f32, [6], [1, 2, 3, 4, 5, 6])
    model["odd"] = TinyTensor(.f32, [2, 2], [1, .nan, 0, 0])
    model["conv"] = TinyTensor(.f32, [2, 1, 2, 2], [3, 0, 0, 0, 0, 0, 0, 0.002])
    try model.write("m", in: workshop)
    let report = try await report("inspect", "m", "--spectra", "--json")
    let tensors = try #require(report["tensors"] as? [[String: Any]])
    let found = Dictionary(
      uniqueKeysWithValues: tensors.map { ($0["name"] as? String ?? "", $0["spectrum"]) })
    #expect(found["b"] is NSNull && found["odd"] is NSNull)
    let spectrum = try #require(found["w"] as? [String: Any])
    #expect((try #require(spectrum["largest"] as? Double) - 8).magnitude < 1e-12)
    #expect((try #require(spectrum["stable_rank"] as? Double) - 85.0 / 64).magnitude < 1e-12)
    #expect(spectrum["rank_90"] as? Int == 2 && spectrum["rank_99"] as? Int == 4)
    #expect(spectrum["numerical_rank"] as? Int == 4)
    // Filters are the matrix of outputs by all else.
    let filters = try #require(found["conv"] as? [String: Any])
    #expect(filters["count"] as? Int == 2 && filters["numerical_rank"] as? Int == 1)
    let decay = try #require(spectrum["decay"] as? [[Double]])
    #expect(decay == [[1, 1], [2, 0.5], [4, 0.125]])
    let text = try await workshop.tincture("inspect", "m", "--spectra", "--workers", "3")
    expect(text, ends: 0)
    #expect(text.output.contains("2: 0.50") && text.output.contains("effective"))
  }
}
