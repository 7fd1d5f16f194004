import TinctureTensors

extension LibTorch {
  /// Calls an operator that returns one tensor.
  ///
  /// - Parameters:
  ///   - name: The operator with its namespace, `aten::matmul`.
  ///   - overload: The part of the schema's name behind the dot, empty for most.
  ///   - arguments: All arguments of the schema, keyword arguments and defaults included.
  /// - Returns: The tensor.
  /// - Throws: `engine` with the operator, the dtypes and shapes of its tensors, and what LibTorch says.
  func call(
    _ name: StaticString, _ overload: StaticString = "", _ arguments: TorchArgument...
  ) throws(TinctureError) -> TorchTensor {
    try TorchTensor(adopting: word(returnedBy: name, overload, arguments), of: self, name)
  }

  /// Calls an operator that returns two tensors.
  func callForPair(
    _ name: StaticString, _ overload: StaticString = "", _ arguments: TorchArgument...
  ) throws(TinctureError) -> (TorchTensor, TorchTensor) {
    let words = try run(name, overload, arguments, results: 2)
    return (
      try TorchTensor(adopting: words[0], of: self, name),
      try TorchTensor(adopting: words[1], of: self, name)
    )
  }

  /// Calls an operator that returns a list of tensors.
  func callForList(
    _ name: StaticString, _ overload: StaticString = "", _ arguments: TorchArgument...
  ) throws(TinctureError) -> [TorchTensor] {
    guard let list = Self.pointer(try word(returnedBy: name, overload, arguments)) else {
      throw failure(of: name, arguments, "it returned no list")
    }
    defer { _ = functions.deleteList(list) }
    var count = 0
    guard functions.listSize(list, &count) == 0 else { throw failure(of: name, arguments) }
    var tensors: [TorchTensor] = []
    for index in 0..<count {
      var word: UInt64 = 0
      guard functions.listItem(list, index, &word) == 0 else { throw failure(of: name, arguments) }
      tensors.append(try TorchTensor(adopting: word, of: self, name))
    }
    return tensors
  }

  /// Calls an operator whose result, if any, is not needed.
  func callForEffect(
    _ name: StaticString, _ overload: StaticString = "", _ arguments: TorchArgument...
  ) throws(TinctureError) {
    _ = try run(name, overload, arguments, results: 0)
  }

  private func word(
    returnedBy name: StaticString, _ overload: StaticString, _ arguments: [TorchArgument]
  ) throws(TinctureError) -> UInt64 {
    try run(name, overload, arguments, results: 1)[0]
  }

  private func run(
    _ name: StaticString, _ overload: StaticString, _ arguments: [TorchArgument], results: Int
  ) throws(TinctureError) -> [UInt64] {
    var stack: [UInt64] = []
    stack.reserveCapacity(max(arguments.count, results))
    do throws(TinctureError) {
      for argument in arguments { stack.append(try word(argument)) }
    } catch {
      for (argument, word) in zip(arguments, stack) { release(argument, word) }
      throw error
    }
    while stack.count < results { stack.append(0) }
    let status = stack.withUnsafeMutableBufferPointer { words in
      words.baseAddress.map { words in
        functions.callDispatcher(
          Self.characters(name), Self.characters(overload), words, version.abiNumber)
      }
    }
    guard status == 0 else {
      let message = LayerKernels.takeProblem()?.message ?? lastMessage
      // The call takes the arguments over only when it finds the operator.
      if message.contains("Could not find schema") {
        for (argument, word) in zip(arguments, stack) { release(argument, word) }
      }
      throw failure(of: name, arguments, message)
    }
    return stack
  }

  /// Describes the failure of a call.
  ///
  /// - Parameters:
  ///   - name: The operator.
  ///   - arguments: What it was given.
  ///   - message: What went wrong; nil asks LibTorch.
  /// - Returns: The error to throw.
  func failure(
    of name: StaticString, _ arguments: [TorchArgument], _ message: String? = nil
  ) -> TinctureError {
    let tensors = arguments.flatMap(\.tensors)
    var text = tensors.prefix(8).map(\.summary).joined(separator: ", ")
    if tensors.count > 8 { text += ", … \(tensors.count) tensors" }
    return TinctureError(.engine, "\(name)(\(text)) failed: \(message ?? lastMessage)")
  }

  /// What LibTorch says about the last failure on this thread.
  ///
  /// Versions before 2.13 tell it to standard error only.
  var lastMessage: String {
    guard let message = functions.lastMessage?() else {
      return "LibTorch \(version) wrote the reason to standard error"
    }
    let lines = String(cString: message).split(separator: "\n").prefix {
      !$0.hasPrefix("Exception raised from")
    }
    return lines.joined(separator: " ")
  }

  private static func characters(_ text: StaticString) -> UnsafePointer<CChar> {
    UnsafeRawPointer(text.utf8Start).assumingMemoryBound(to: CChar.self)
  }
}
