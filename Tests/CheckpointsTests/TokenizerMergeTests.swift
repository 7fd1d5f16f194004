import Testing
import TinctureCheckpoints
import TinctureJSON
import TinctureTensors

@Suite("Rows of merged vocabularies")
struct TokenizerMergeTests {
  typealias Rule = TokenizerMerge.Rule

  /// The base has two rows of padding; the third model has no row for `g`.
  let fixture = TokenizerModels()

  init() throws {
    try fixture.add("A", ["a", "b", "c"], added: ["<s>"], rows: 6)
    try fixture.add("B", ["b", "a", "d", "e"], rows: 4)
    try fixture.add("C", ["d", "f", "e", "g"], rows: 3)
  }

  private func donor(_ model: Int, _ row: Int) -> RowMap.Donor { .init(model: model, row: row) }

  @Test("A union keeps the base's ids and appends what other models have rows for")
  func unionVocabulary() throws {
    let plan = try fixture.plan(.union)
    #expect(plan.vocabulary.texts == ["a", "b", "c", "<s>", "d", "e", "f"])
    #expect(plan.rowCount == 7)
  }

  @Test("A row is the model's own, the only donor's, the base's, or the mean of all donors")
  func unionRows() throws {
    let maps = try fixture.plan(.union).rowMaps.map(\.sources)
    let d = RowMap.Source.mean([donor(1, 2), donor(2, 0)])
    let e = RowMap.Source.mean([donor(1, 3), donor(2, 2)])
    #expect(maps[0] == [.own(0), .own(1), .own(2), .own(3), d, e, .model(2, row: 1)])
    #expect(
      maps[1] == [
        .own(1), .own(0), .model(0, row: 2), .model(0, row: 3), .own(2), .own(3), .model(2, row: 1),
      ])
    #expect(
      maps[2] == [
        .model(0, row: 0), .model(0, row: 1), .model(0, row: 2), .model(0, row: 3), .own(0),
        .own(2), .own(1),
      ])
  }

  @Test("Without a base no model's rows are preferred")
  func noBase() throws {
    let maps = try fixture.plan(base: nil, .union).rowMaps
    #expect(maps[2][0] == .mean([donor(0, 0), donor(1, 1)]))
  }

  @Test("The base's vocabulary leaves the tokens of others out")
  func baseSource() throws {
    let plan = try fixture.plan(.base)
    #expect(plan.vocabulary.texts == ["a", "b", "c", "<s>"])
    #expect(plan.rowMaps[0].isIdentity(rows: 4))
    #expect(!plan.rowMaps[0].isIdentity(rows: 6))
    #expect(plan.rowMaps[1].sources == [.own(1), .own(0), .model(0, row: 2), .model(0, row: 3)])
    #expect(
      plan.notes.contains { $0.hasPrefix("B: tokens that the output") && $0.contains("\"d\"") })
    #expect(plan.notes.contains { $0.hasPrefix("A: rows of padding") && $0.contains("2 of 6") })
  }

  @Test("Another model's vocabulary loses the tokens that have no row there")
  func modelSource() throws {
    let plan = try fixture.plan(.model(2))
    #expect(plan.vocabulary.texts == ["d", "f", "e"])
    #expect(plan.rowMaps[2].isIdentity(rows: 3))
    #expect(plan.rowMaps[0][0] == .mean([donor(1, 2), donor(2, 0)]))
    #expect(
      plan.notes.contains {
        $0.hasPrefix("C: tokens with ids beyond the 3 rows") && $0.contains("1 (\"g\")")
      })
  }

  @Test(
    "A rule decides for models without the token, and for all when it is forced",
    arguments: [
      (Rule(token: "d", origin: .zero), RowMap.Source.zero, RowMap.Source.own(2)),
      (Rule(token: "d", origin: .zero, isForced: true), .zero, .zero),
      (Rule(token: "d", origin: .model(2)), .model(2, row: 0), .own(2)),
      (Rule(token: "d", origin: .model(1), isForced: true), .model(1, row: 2), .own(2)),
      (Rule(token: "d", origin: .model(2), isForced: true), .model(2, row: 0), .model(2, row: 0)),
      (Rule(token: "d", origin: .modelToken(0, token: "<s>")), .own(3), .own(2)),
      (Rule(token: "d", origin: .modelRow(0, row: 5)), .own(5), .own(2)),
      (
        Rule(token: "d", origin: .modelRow(0, row: 5), isForced: true), .own(5), .model(0, row: 5)
      ),
      (
        Rule(token: "d", origin: nil, isForced: true),
        .mean([.init(model: 1, row: 2), .init(model: 2, row: 0)]),
        .mean([.init(model: 1, row: 2), .init(model: 2, row: 0)])
      ),
    ])
  func rules(rule: Rule, forA: RowMap.Source, forB: RowMap.Source) throws {
    let plan = try fixture.plan(.union, rules: [rule])
    #expect(plan.rowMaps[0][4] == forA)
    #expect(plan.rowMaps[1][4] == forB)
  }

  @Test("A rule for a token that no vocabulary has adds the token")
  func ruleAddsToken() throws {
    let plan = try fixture.plan(
      .base,
      rules: [
        Rule(token: "<new>", origin: .modelToken(1, token: "e")), Rule(token: "<nil>", origin: nil),
      ])
    #expect(plan.vocabulary.texts == ["a", "b", "c", "<s>", "<new>", "<nil>"])
    #expect(plan.rowMaps.map { $0[4] } == [.model(1, row: 3), .own(3), .model(1, row: 3)])
    #expect(plan.rowMaps.map { $0[5] } == [.zero, .zero, .zero])
    #expect(plan.notes.contains { $0.contains("\"<nil>\"") && !$0.contains("\"<new>\"") })
  }

  @Test("Rows that fill up to a multiple are means", arguments: [(4, 8), (7, 7), (1, 7), (64, 64)])
  func padding(multiple: Int, count: Int) throws {
    let plan = try fixture.plan(.union, rowMultiple: multiple)
    #expect(plan.rowCount == count)
    for map in plan.rowMaps {
      #expect(map.count == count)
      #expect(map.sources.dropFirst(7).allSatisfy { $0 == .meanOfAll })
      #expect(!map.sources.prefix(7).contains(.meanOfAll))
    }
  }

  @Test("A model without a tokenizer has the base's")
  func missingTokenizer() throws {
    try fixture.add("D", rows: 3, files: [])
    let plan = try fixture.plan(.base)
    #expect(plan.rowMaps[3].sources == [.own(0), .own(1), .own(2), .model(0, row: 3)])
    #expect(plan.notes.contains { $0.hasPrefix("D: there is no tokenizer") })
  }

  @Test("Ids without a token are filled like padding")
  func gaps() throws {
    let fixture = TokenizerModels()
    try fixture.add(
      "A", files: [("tokenizer.json", bytePairDocument([("a", 0), ("b", 3), ("c", 1)]))])
    let plan = try fixture.plan(.base, rules: [Rule(token: "x", origin: .zero)])
    #expect(plan.rowMaps[0].sources == [.own(0), .own(1), .meanOfAll, .own(3), .zero])
    let document = try #require(try plan.files.json("tokenizer.json"))
    #expect(document["model"]?["vocab"]?["x"]?.intValue == 4)
    #expect(document["added_tokens"]?.arrayValue?.first?["id"]?.intValue == 4)
  }

  @Test(
    "A wrong recipe is refused",
    arguments: [
      ([Rule(token: "d", origin: .model(0))], nil, 0, "\"d\""),
      ([Rule(token: "d", origin: .modelToken(2, token: "g"))], nil, 0, "\"g\""),
      ([Rule(token: "d", origin: .modelRow(0, row: 6))], nil, 0, "6"),
      ([Rule(token: "d", origin: .modelRow(0, row: -1))], nil, 0, "-1"),
      ([Rule(token: "d", origin: .model(3))], nil, 0, "3"),
      ([Rule(token: "d", origin: .zero), Rule(token: "d", origin: nil)], nil, 0, "two rules"),
      ([Rule(token: "", origin: .zero)], nil, 0, "empty"),
      ([], 0, 0, "pad_to_multiple_of"),
      ([], -8, 0, "-8"),
      ([], Int.max, 0, "pad_to_multiple_of"),
      ([], nil, 7, "7"),
    ] as [([Rule], Int?, Int, String)])
  func wrongRecipe(rules: [Rule], rowMultiple: Int?, base: Int, mention: String) throws {
    let error = try #require(throws: TinctureError.self) {
      try fixture.plan(base: base, .union, rules: rules, rowMultiple: rowMultiple)
    }
    #expect(error.code == .recipe)
    #expect(error.message.contains(mention), "\(error.message)")
  }

  @Test("A chosen vocabulary that does not exist is refused with the model's name")
  func missingChoice() throws {
    try fixture.add("D", files: [])
    for (base, source) in [(3, TokenizerMerge.Source.union), (0, .model(3))] {
      let error = try #require(throws: TinctureError.self) {
        try fixture.plan(base: base, source)
      }
      #expect(error.code == .checkpoint)
      #expect(error.place.model == "D")
    }
  }

  @Test("Large vocabularies are united with a handful of notes")
  func large() throws {
    let fixture = TokenizerModels()
    try fixture.add("A", (0..<20_000).map { "a\($0)" })
    try fixture.add("B", (10_000..<30_000).map { "a\($0)" }.reversed())
    let plan = try fixture.plan(.union)
    #expect(plan.rowCount == 30_000)
    #expect(plan.rowMaps[0][20_000] == .model(1, row: 0))
    #expect(plan.rowMaps[1][10_000] == .own(19_999))
    #expect(plan.notes.count == 1)
    #expect(plan.notes.allSatisfy { $0.utf8.count < 400 })
  }
}
