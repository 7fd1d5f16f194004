internal import SystemPackage
internal import TinctureJSON
public import TinctureMerging
internal import TinctureSafetensors
public import TinctureTensors

/// Averages the models that a greedy search over held-out scores admits.
///
/// Models are taken in the order of their own scores; each joins the soup when the soup with it scores
/// better than without. Scores come from a JSON file: `{"a": 0.71, "b": 0.70, "a + b": 0.73}`, with models
/// spelt as in the recipe and soups joined by " + " in the order in which they are tried. A score that is
/// missing is named together with the command that makes that soup. Source: Wortsman et al., "Model soups",
/// arXiv:2203.05482.
public struct GreedySoup: MergeMethod {
  static let scores = Parameter<String>(
    "scores", "The JSON file with the scores of models and soups.")
  static let accept = Parameter<String>(
    "accept", default: "better", of: ["better", "not_worse"],
    "Whether a soup that scores the same is accepted.")

  /// The description of the method.
  public let info = MethodInfo(
    name: "greedy_soup", title: "Greedy soup",
    summary: "Averages the models that improve the soup's held-out score, best first.",
    formula:
      "for models by falling score: soup ← soup + θᵢ if score(mean(soup + θᵢ)) > score(mean(soup))",
    source: "Wortsman et al. 2022, Model soups", link: "https://arxiv.org/abs/2203.05482",
    base: .none, models: 1...Int.max, streaming: .element, parameters: [scores, accept])

  /// Creates the method.
  public init() {}

  /// Steps may be cut anywhere.
  public func isElementwise(_ parameters: ResolvedParameters) -> Bool { true }

  /// The contents of the score file; nothing when it cannot be read.
  public func externalState(_ parameters: ResolvedParameters) -> [UInt8] {
    (try? InputFile(opening: FilePath(parameters[Self.scores])).contents()) ?? []
  }

  /// Decides which models are in the soup.
  ///
  /// - Parameter session: Gives the names of the models.
  /// - Returns: The positions of the members in the recipe.
  /// - Throws: `missingInput` for a score that the file lacks, `checkpoint` for a malformed file.
  public func prepare(_ session: MergeSession) async throws(TinctureError) -> Set<Int> {
    guard let step = session.steps.first else { return [] }
    let path = step.parameters[Self.scores]
    let table: JSONValue
    do throws(TinctureError) {
      table = try JSONValue(parsing: InputFile(opening: FilePath(path)).contents())
    } catch { throw error.located(file: path) }
    let names = zip(step.modelIndices, step.models).map { ($0, $1.place.model ?? "") }
    func score(_ members: [String]) throws(TinctureError) -> Double {
      let key = members.joined(separator: " + ")
      if let value = table[key]?.doubleValue, value.isFinite { return value }
      let models = members.map { "--model \($0)" }.joined(separator: " ")
      throw TinctureError(
        .missingInput,
        "There is no score for \"\(key)\". Make it with `tincture merge --method linear \(models)"
          + " --set weight=1 OUTPUT`, evaluate it, and add the score.", at: .init(file: path))
    }
    var ranked: [(index: Int, name: String, score: Double)] = []
    for (index, name) in names { ranked.append((index, name, try score([name]))) }
    let order = ranked.indices.sorted { (-ranked[$0].score, $0) < (-ranked[$1].score, $1) }
    var soup: [String] = []
    var members: Set<Int> = []
    var best = -Double.infinity
    for position in order {
      let candidate = soup + [ranked[position].name]
      let result = try score(candidate)
      if soup.isEmpty || result > best
        || (result == best && step.parameters[Self.accept] == "not_worse")
      {
        soup = candidate
        members.insert(ranked[position].index)
        best = result
      }
    }
    return members
  }

  /// Averages the members.
  public func merge(_ inputs: MergeInputs, state: Set<Int>) throws(TinctureError) {
    let indices = inputs.step.modelIndices
    let members = indices.indices.filter { state.contains(indices[$0]) }
    try inputs.produce(.values) { (block, output) throws(TinctureError) in
      for member in members { Kernels.add(block[model: member], to: &output) }
      Kernels.scale(&output, by: 1 / Float(max(1, members.count)))
    }
  }
}
