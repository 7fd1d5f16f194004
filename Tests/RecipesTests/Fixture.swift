import Foundation
import TinctureMerging
import TinctureRecipes
import TinctureTensors

/// A recipe among the test resources.
enum Fixture {
  static let names = [
    "linear", "ties", "fusion", "gradient-slerp", "stacked", "stages", "tokenizer", "modules",
    "extended",
  ]

  static func text(_ name: String) throws -> String {
    let folder = Bundle.module.resourceURL?.appendingPathComponent("Fixtures")
    guard let file = folder?.appendingPathComponent(name + ".yml") else {
      throw CocoaError(.fileNoSuchFile)
    }
    return try String(contentsOf: file, encoding: .utf8)
  }

  static func recipe(_ name: String) throws -> Recipe {
    try parseOne(try text(name), file: name + ".yml")
  }
}

/// Parses a text that holds one recipe, as if no model were on the disk.
func parseOne(_ text: String, file: String = "recipe.yml") throws(TinctureError) -> Recipe {
  let recipes = try RecipeParser.parse(text, file: file, exists: { _ in false })
  guard let recipe = recipes.first, recipes.count == 1 else {
    throw TinctureError(.recipe, "There are \(recipes.count) recipes, not one.")
  }
  return recipe
}

/// The reference that a text names, as if nothing were on the disk.
func reference(_ text: String) throws(TinctureError) -> ModelReference {
  try ModelReference(parsing: text, exists: { _ in false })
}
