import Testing
import TinctureMerging
import TinctureRecipes
import TinctureTensors

@Suite("Recipes of several stages")
struct RecipeStagesTests {
  private func parse(_ text: String) throws(TinctureError) -> [Recipe] {
    try RecipeParser.parse(text, file: "stages.yml", exists: { _ in false })
  }

  private func stage(_ name: String?, uses models: [String]) -> String {
    let header = name.map { "name: \($0)\n" } ?? ""
    return header + "merge_method: linear\nmodels:\n"
      + models.map { "  - model: \($0)\n" }.joined()
  }

  private func text(_ stages: [(String?, [String])]) -> String {
    stages.map { stage($0, uses: $1) }.joined(separator: "---\n")
  }

  @Test("Every recipe stands after those it uses")
  func order() throws {
    let recipes = try parse(try Fixture.text("stages"))
    #expect(recipes.map(\.name?.value) == ["first", "second", "final"])
  }

  @Test("Recipes that do not use each other keep the order of the file")
  func stableOrder() throws {
    let recipes = try parse(text([("c", ["x"]), (nil, ["a"]), ("b", ["x"]), ("a", ["b@main"])]))
    #expect(recipes.map(\.name?.value) == ["c", "b", "a", nil])
  }

  @Test("A circle is an error that names its members")
  func circle() {
    let error = #expect(throws: TinctureError.self) {
      try parse(text([("z", ["x"]), ("a", ["b"]), ("b", ["c+x"]), ("c", ["a"])]))
    }
    #expect(error?.message.contains("'a' uses 'b' uses 'c' uses 'a'") == true)
    #expect(error?.place.line == 6)
  }

  @Test("A recipe that uses itself is an error")
  func selfUse() {
    let error = #expect(throws: TinctureError.self) {
      try parse(text([("a", ["a"]), ("b", ["x"])]))
    }
    #expect(error?.message.contains("'a' uses 'a'") == true)
  }

  @Test("Of several recipes one may be without a name, and no two share one")
  func names() {
    let unnamed = #expect(throws: TinctureError.self) {
      try parse(text([(nil, ["a"]), (nil, ["b"])]))
    }
    #expect(unnamed?.message.contains("only one may be without a 'name'") == true)
    #expect(unnamed?.place.line == 5)
    let twice = #expect(throws: TinctureError.self) {
      try parse(text([("a", ["x"]), ("a", ["y"])]))
    }
    #expect(twice?.message.contains("first stands on line 1") == true)
    let path = #expect(throws: TinctureError.self) {
      try parse(text([("../up", ["x"]), ("b", ["y"])]))
    }
    #expect(path?.message.contains("cannot name") == true)
  }

  @Test("Faults of all recipes are reported together, in the order of the file")
  func together() {
    let error = #expect(throws: TinctureError.self) {
      try parse("merge_method: m\nmodles: []\n---\nname: b\nmerge_method: m\nmodels: []\n")
    }
    #expect(error?.causes.map(\.place.line) == [2, 6])
  }
}
