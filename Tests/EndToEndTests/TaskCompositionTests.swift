import Foundation
import Testing

@Suite("Steps before methods that make models of single tasks", .timeLimit(.minutes(25)))
struct TaskCompositionTests {
  private static let tasks = ["cars", "sun", "dtd", "mnist"]
  private let workshop: Workshop

  init() throws {
    workshop = try Workshop()
    // Multiples of 2⁻⁸, so that no difference and no sum is rounded.
    let base = Self.exact(TinyModel.llama(1))
    try base.write("base", in: workshop)
    for (number, task) in Self.tasks.enumerated() {
      try Self.exact(base.tuned(number + 2)).write(task, in: workshop)
    }
  }

  private static func exact(_ model: TinyModel) -> TinyModel {
    var exact = model
    for name in model.names {
      guard let tensor = model[name] else { continue }
      exact[name] = TinyTensor(
        tensor.element, tensor.shape, tensor.values.map { ($0 * 256).rounded() / 256 })
    }
    return exact
  }

  private func run(_ arguments: String..., ends status: Int32 = 0) async throws -> ToolRun {
    let run = try await workshop.start(arguments).end()
    expect(run, ends: status)
    return run
  }

  private static func recipe(
    _ method: String, _ parameters: String, _ model: (String) -> String
  ) -> String {
    """
    merge_method: \(method)
    base_model: base
    parameters: {\(parameters)}
    models:
    \(tasks.map { "  - {model: \($0), parameters: {\(model($0))}}" }.joined(separator: "\n"))

    """
  }

  @Test(
    "The output is that of models which were written after the same steps, to the byte",
    arguments: [
      ("emr", ""), ("tall_masks", "tall_mask_lambda: 0.5"), ("flexmerge", "size: 2.5"),
      ("flexmerge", "inner: emr, size: 3.2, order: right_to_left"),
      ("flexmerge", "inner: ties, size: 1.5, order: channel"),
    ],
    [
      "[{trim: {density: 0.4}}]", "[{dare: {density: 0.5, rescale_rule: density}}]",
      "[{trim: {density: 0.6, trim: global}}, elect]",
      "[{della: {density: 0.5, epsilon: 0.2, rescale: false}}]",
    ])
  func equalsWritten(method: (name: String, parameters: String), steps: String) async throws {
    let before = "preprocess: \(steps)\n"
    let plain = Self.recipe(method.name, method.parameters) { "task: \($0)" }
    try workshop.write("plain.yaml", plain)
    try workshop.write("composed.yaml", plain + before)
    _ = try await run("merge", "composed.yaml", "composed")
    _ = try await run("merge", "composed.yaml", "again", "--workers", "3", "--memory", "16MB")
    for task in Self.tasks {
      try workshop.write(
        "\(task).yaml",
        Self.recipe("task_arithmetic", "lambda: 1") { "weight: \($0 == task ? 1 : 0)" } + before)
      _ = try await run("merge", "\(task).yaml", "written-\(task)")
    }
    for task in Self.tasks {
      try FileManager.default.removeItem(at: workshop.url(task))
      try FileManager.default.moveItem(
        at: workshop.url("written-\(task)"), to: workshop.url(task))
    }
    _ = try await run("merge", "plain.yaml", "plain")
    let (composed, again, wanted) = (
      try workshop.bytes("composed"), try workshop.bytes("again"), try workshop.bytes("plain")
    )
    let parts = ["tasks.bank", "task_parts.safetensors"].filter { wanted[$0] != nil }
    #expect(parts.count == 1)
    for file in ["model.safetensors"] + parts {
      #expect(composed[file] == wanted[file], "\(file)")
      #expect(again[file] == wanted[file], "\(file)")
    }
    if parts == ["tasks.bank"] { _ = try await run("bank", "verify", "composed/tasks.bank") }
  }

  @Test("A step after such a method is refused with the reason")
  func refusals() async throws {
    for method in ["emr", "tall_masks", "flexmerge"] {
      let text = Self.recipe(method, "") { "task: \($0)" }
      try workshop.write("after.yaml", text + "postprocess: [{scale: {factor: 2}}]\n")
      let refused = try await run("plan", "after.yaml", ends: 65)
      #expect(refused.errors.contains("which a step after it would not change"))
    }
  }
}
