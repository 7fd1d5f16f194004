package import TinctureCheckpoints
internal import TinctureEvaluation
package import TinctureTensors
package import TinctureTorch

/// What a fit leaves beside the merge: its history, and what every task has of its own.
package struct FitOutcome {
  /// What happened.
  package let history: FitHistory
  let learners: [TaskLearner]
  private let suite: EvaluationSuite

  init(history: FitHistory, learners: [TaskLearner], suite: EvaluationSuite) {
    self.history = history
    self.learners = learners
    self.suite = suite
  }

  /// Puts the heads and the tinted layers of all tasks into a file of parts.
  ///
  /// - Parameter writer: The file.
  /// - Throws: `engine` when LibTorch fails.
  package func add(to writer: inout TaskPartsWriter) throws(TinctureError) {
    for (learner, task) in zip(learners, suite.tasks) {
      if let head = learner.head {
        try writer.add(
          task.name, role: "head.weight", plainName: task.head?.weight, head.weight)
        if let bias = head.bias {
          try writer.add(task.name, role: "head.bias", plainName: task.head?.bias, bias)
        }
        if task.head?.normalizesFeatures == true {
          writer.add(
            task.name, role: "head.normalizes", dtype: .u8, shape: Shape(vector: 1), bytes: [1])
        }
      }
      for (name, tensor) in learner.tinted {
        try writer.add(task.name, role: TaskParts.parameterPrefix + name, tensor)
      }
    }
  }
}

extension TaskPartsWriter {
  /// Adds a tensor in single precision.
  package mutating func add(
    _ task: String, role: String, plainName: String? = nil, _ tensor: TorchTensor
  ) throws(TinctureError) {
    guard let shape = Shape(tensor.shape) else {
      throw TinctureError(.internalError, "The part '\(role)' has no shape.")
    }
    var bytes: [UInt8] = []
    try tensor.detached().withBytes(as: .f32) { bytes = Array($0) }
    add(task, role: role, plainName: plainName, dtype: .f32, shape: shape, bytes: bytes)
  }
}
