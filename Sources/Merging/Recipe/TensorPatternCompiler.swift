import TinctureTensors

/// Turns the structure of a regular expression into steps, with repetitions written out.
struct TensorPatternCompiler {
  let source: String
  private var program: [TensorPattern.Instruction] = []
  private var visits = 0

  private static let sizeLimit = 4096

  init(source: String) { self.source = source }

  mutating func compile(_ node: TensorPatternNode) throws(TinctureError)
    -> [TensorPattern.Instruction]
  {
    try emit(node)
    return program + [.accept]
  }

  private mutating func emit(_ node: TensorPatternNode) throws(TinctureError) {
    visits += 1
    guard program.count <= Self.sizeLimit, visits <= 4 * Self.sizeLimit else {
      throw TinctureError(
        .recipe,
        "The regular expression '\(source)' is too large when its repetitions are written out.")
    }
    switch node {
    case .consume(let choice): program.append(.consume(choice))
    case .require(let assertion): program.append(.require(assertion))
    case .sequence(let items): for item in items { try emit(item) }
    case .choice(let branches): try emitChoice(branches)
    case .repetition(let body, let bounds, let least):
      for _ in 0..<least { try emit(body) }
      if let bounds {
        try emitOptional(body, count: bounds.upperBound - least)
      } else {
        let split = program.count
        program.append(.jump(0))
        try emit(body)
        program.append(.jump(split))
        program[split] = .split(split + 1, program.count)
      }
    }
  }

  private mutating func emitChoice(_ branches: [TensorPatternNode]) throws(TinctureError) {
    var exits: [Int] = []
    for (index, branch) in branches.enumerated() {
      let split = program.count
      let isLast = index == branches.count - 1
      if !isLast { program.append(.jump(0)) }
      try emit(branch)
      if !isLast {
        exits.append(program.count)
        program.append(.jump(0))
        program[split] = .split(split + 1, program.count)
      }
    }
    for exit in exits { program[exit] = .jump(program.count) }
  }

  private mutating func emitOptional(
    _ body: TensorPatternNode, count: Int
  ) throws(TinctureError) {
    var splits: [Int] = []
    for _ in 0..<count {
      splits.append(program.count)
      program.append(.jump(0))
      try emit(body)
    }
    for split in splits { program[split] = .split(split + 1, program.count) }
  }
}
