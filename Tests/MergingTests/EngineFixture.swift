import SystemPackage
import TinctureCheckpoints
import TinctureMergeMethods
import TinctureMergeTesting
import TinctureMerging
import TinctureSafetensors
import TinctureTensors

/// Models on disk and a plan over them, for tests of the engine itself.
struct EngineFixture {
  let scratch: ScratchDirectory
  let base: Checkpoint
  let model: Checkpoint
  let tensorCount: Int

  /// Writes a base of zeros and a model of ones.
  init(tensors: Int = 6, elements: Int = 5000) throws {
    scratch = try ScratchDirectory()
    tensorCount = tensors
    let zeros = TinyModel(
      (0..<tensors).map {
        .init(
          "t\($0)", shape: Shape(vector: elements + $0),
          [Float](repeating: 0, count: elements + $0))
      })
    base = try Checkpoint.open(scratch.write("base.safetensors", zeros.safetensors))
    let ones = zeros.mapValues { _, _, _ in 1 }
    model = try Checkpoint.open(scratch.write("model.safetensors", ones.safetensors))
  }

  var output: FilePath { scratch.path.appending("out.safetensors") }

  func reader(_ name: String, in checkpoint: Checkpoint, as model: String) -> StoredTensorReader? {
    checkpoint[name].map { StoredTensorReader($0.tensor, in: $0.file, model: model) }
  }

  /// Task arithmetic with a weight.
  func plan(
    weight: Double = 1, seed: UInt64 = 0,
    method: any MergeMethod = SparsifiedArithmetic.taskArithmetic,
    values: [String: ParameterValue] = [:]
  ) throws -> MergePlan {
    let names = (0..<tensorCount).map { "t\($0)" }
    let layout = OutputLayout(
      tensors: names.compactMap { name in
        base[name].map { .init(name: name, dtype: .f32, shape: $0.tensor.shape) }
      }, shardSize: .max, stem: "out")
    let parameters = try ResolvedParameters(
      for: method.info, values.merging(["weight": .number(weight)]) { $1 }, modelCount: 1)
    var steps: [MergeStep] = []
    for (position, name) in names.enumerated() {
      guard let origin = base[name], let first = reader(name, in: base, as: "base"),
        let second = reader(name, in: model, as: "model")
      else { continue }
      steps.append(
        MergeStep(
          index: position, name: name, shape: origin.tensor.shape, dtype: .f32, base: first,
          models: [second], modelIndices: [0], parameters: parameters,
          output: layout.places[position]))
    }
    return MergePlan(
      method: method, steps: steps, layout: layout, options: MergeOptions(seed: seed))
  }
}
