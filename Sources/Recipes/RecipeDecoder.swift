import TinctureMerging
import TinctureTensors

/// Turns YAML values into the parts of a recipe and collects what is wrong with them.
///
/// Each part of the recipe language has an extension of its own.
struct RecipeDecoder: YAMLDecoder {
  let source: RecipeSource
  let exists: (String) -> Bool
  var problems: [(position: SourcePosition, message: String)] = []

  init(_ source: RecipeSource, exists: @escaping (String) -> Bool) {
    self.source = source
    self.exists = exists
  }
}
