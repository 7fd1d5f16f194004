import Foundation
import SystemPackage
import Testing
import Tincture
import TinctureMerging
import TinctureSafetensors
import TinctureTensors

@testable import TinctureFitting

@Suite("Task vectors that are kept")
struct KeptVectorsTests {
  private static let tensor = "blocks.0.mlp.fc1.weight"

  /// The elements of a task vector of a tensor.
  private func elements(_ vectors: TaskVectorSet, _ name: String, task: Int) throws -> [Float] {
    let index = try #require(vectors.tensors.firstIndex { $0.name == name })
    var found: [Float] = []
    try vectors.forEachBlock(index, tasks: [task]) { (_, _, elements) throws(TinctureError) in
      for place in 0..<elements.count { found.append(elements[place]) }
    }
    return found
  }

  /// The steps of merging experts of the bundled suite, given by their files.
  private func steps(_ experts: [String], _ vision: VisionFixture) throws -> [MergeStep] {
    let text = """
      merge_method: task_arithmetic
      parameters: {weight: 1}
      base_model: \(VisionFixture.folder)/pretrained.safetensors
      models: [\(experts.map { "{model: '\($0)'}" }.joined(separator: ", "))]
      """
    let recipe = try #require(try RecipeParser.parse(text, file: "recipe.yaml").first)
    return try vision.plan(recipe).steps
  }

  private func file(_ expert: String) -> String {
    "\(VisionFixture.folder)/expert_\(expert).safetensors"
  }

  /// A copy of an expert, stored in half precision, whose seventh element of a tensor is infinite.
  private func damaged(_ expert: String, in folder: FilePath) throws -> String {
    let source = file(expert)
    var bytes = try Data(contentsOf: URL(filePath: source))
    let stored = try SafetensorsFile(opening: FilePath(source)).header.tensors
    let offset = try #require(stored.first { $0.name == Self.tensor }?.byteOffset)
    bytes.replaceSubrange(offset + 14..<offset + 16, with: [0x00, 0x7c])
    let copy = folder.appending("damaged.safetensors").string
    try bytes.write(to: URL(filePath: copy))
    return copy
  }

  @Test("Experts in half precision are kept as they are stored, in half the room")
  func room() throws {
    let vision = try VisionFixture()
    defer { vision.remove() }
    let steps = try steps([file("optdigits"), file("style")], vision)
    let count = steps.reduce(0) { $0 + $1.shape.elementCount }
    let least = TaskVectorSet.residentBytes(steps)
    #expect(least == count * (4 + 2 + 2))
    #expect(TaskVectorSet.residentBytes(steps, isChanged: true) == count * (4 + 4 + 4))
    #expect(try TaskVectorSet(steps, memoryLimit: least).isResident)
    #expect(try !TaskVectorSet(steps, memoryLimit: least - 1).isResident)
  }

  @Test("An infinite element of a kept expert is an error, or counts as the base's")
  func infinite() throws {
    let vision = try VisionFixture()
    defer { vision.remove() }
    let copy = try damaged("style", in: vision.scratch)
    let whole = try steps([file("optdigits"), file("style")], vision)
    let steps = try steps([file("optdigits"), copy], vision)
    let error = try #require(throws: TinctureError.self) {
      try TaskVectorSet(steps, memoryLimit: 1 << 30)
    }
    #expect(error.code == .checkpoint && error.place.tensor == Self.tensor)
    #expect(error.place.file == copy && error.message.contains("Element 7 is not finite"))

    let repaired = try TaskVectorSet(steps, memoryLimit: 1 << 30, nonFinite: .replaceByBase)
    let expected = try TaskVectorSet(whole, memoryLimit: 1 << 30)
    #expect(repaired.isResident)
    for task in 0..<2 {
      let got = try elements(repaired, Self.tensor, task: task)
      var wanted = try elements(expected, Self.tensor, task: task)
      if task == 1 {
        #expect(wanted[7] != 0)
        wanted[7] = 0
      }
      #expect(got == wanted)
    }
  }
}
