import Foundation
import SystemPackage
import Tincture
import TinctureFitting

/// The models of a suite, opened.
struct FitModels {
  let base: ModelInput
  let experts: [ModelInput]
  /// The models as a recipe anywhere on this machine names them.
  let paths: (base: String, experts: [String])

  /// Opens the base and every task's expert.
  ///
  /// - Throws: `recipe` when the suite does not name them all, and what is wrong with them.
  init(_ suite: EvaluationSuite) throws(TinctureError) {
    guard let base = suite.base else {
      throw TinctureError(
        .recipe, "A suite for a fit names its 'base'.", at: .init(file: suite.file.string))
    }
    func place(_ path: String) -> String {
      let beside = suite.folder.pushing(FilePath(path)).string
      return ModelReference.isOnDisk(path) || !ModelReference.isOnDisk(beside) ? path : beside
    }
    func open(_ word: String, base: ModelInput?) throws(TinctureError) -> (ModelInput, String) {
      var reference = try ModelReference(parsing: word) { ModelReference.isOnDisk(place($0)) }
      let path = place(reference.path)
      if ModelReference.isOnDisk(path) {
        reference.path = URL(filePath: path).standardizedFileURL.path
      }
      let input = try ModelInput(
        opening: reference, locator: ModelLocator(), folder: suite.folder, base: base)
      return (input, reference.description)
    }
    let (opened, path) = try open(base, base: nil)
    var experts: [(ModelInput, String)] = []
    for task in suite.tasks {
      guard let expert = task.expert else {
        throw TinctureError(
          .recipe, "The task '\(task.name)' names no 'expert'.",
          at: .init(file: suite.file.string))
      }
      experts.append(try open(expert, base: opened))
    }
    self.base = opened
    self.experts = experts.map(\.0)
    paths = (path, experts.map(\.1))
  }
}

/// What a fit leaves on the disk.
struct FitFiles {
  let suite: EvaluationSuite
  let vectors: TaskVectorSet
  let outcome: CoefficientFit.Outcome
  let replaces: Bool

  func write(
    recipe: String, remark: String, base: String, experts: [String]
  ) throws(TinctureError) {
    let text = FittedRecipe(vectors, outcome).text(remark: remark, base: base, experts: experts)
    _ = try PageFile.write(
      text, called: "recipe", to: FilePath(recipe), replaces: replaces, keeping: [suite.file])
  }

  /// Writes the heads under the names that the suite has for them.
  func write(heads path: String) throws(TinctureError) {
    var tensors: [(name: String, dtype: DType, shape: Shape)] = []
    var data: [UInt8] = []
    func add(_ name: String, _ tensor: TorchTensor) throws(TinctureError) {
      guard let shape = Shape(tensor.shape) else { return }
      tensors.append((name, .f32, shape))
      try tensor.withBytes(as: .f32) { data += $0 }
    }
    for task in suite.tasks {
      guard let names = task.head, let head = outcome.heads[task.name] else { continue }
      try add(names.weight, head.weight)
      if let name = names.bias, let bias = head.bias { try add(name, bias) }
    }
    _ = try PageFile.write(
      bytes: SafetensorsHeader.encode(tensors: tensors, metadata: []) + data,
      called: "file of heads",
      to: FilePath(path), replaces: replaces, keeping: [suite.file])
  }

  /// Writes losses by round and the coefficients.
  func write(log path: String) throws(TinctureError) {
    func number(_ value: Double?) -> JSONValue { value.map { .number(String($0)) } ?? .null }
    let rounds = outcome.rounds.map { JSONValue.array($0.losses.map(number)) }
    let table = vectors.tensors.enumerated().map { index, tensor in
      let values = outcome.coefficients.coefficients(index)
      return (tensor.name, JSONValue.array(values.map { number(Double($0)) }))
    }
    let document = JSONObject([
      ("tasks", .array(suite.tasks.map { .string($0.name) })), ("losses", .array(rounds)),
      ("coefficients", .object(JSONObject(table))),
      ("skipped_turns", .integer(outcome.skippedTurns)),
    ])
    _ = try PageFile.write(
      JSONValue.object(document).text() + "\n", called: "log", to: FilePath(path),
      replaces: replaces, keeping: [suite.file])
  }
}
