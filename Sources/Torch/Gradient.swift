import Synchronization
public import TinctureTensors

/// Runs a body whose operators keep nothing for derivatives.
///
/// - Parameter body: What is computed on this thread.
/// - Returns: What the body returns.
/// - Throws: What the body throws; `missingFacility` without LibTorch.
public func withoutGradients<R>(
  _ body: () throws(TinctureError) -> R
) throws(TinctureError) -> R {
  let functions = try LibTorch.current().functions
  let recorded = functions.recordsGradients()
  functions.setRecordsGradients(false)
  defer { functions.setRecordsGradients(recorded) }
  return try body()
}

/// The derivatives of a number with respect to tensors.
///
/// Each parameter is a tensor made by ``TorchTensor/requiringGradient()``, or one computed from such
/// tensors, on which the loss depends through operators of this module. A parameter on which the loss does
/// not depend gets zeros. What the operators kept for the derivative is freed, so the gradients of one
/// loss are taken once, unless `keepingGraph` is set.
///
/// - Parameters:
///   - loss: The number, a tensor of one element.
///   - parameters: The tensors, in any order.
///   - keepingGraph: Whether more derivatives of the same computation will be asked for.
/// - Returns: The gradients in the order of the parameters, each with its parameter's shape and dtype.
/// - Throws: `engine` when a parameter does not require gradients, when the loss is not a single number, or
///   when LibTorch fails.
/// - Note: Schema: `aten::_backward(Tensor self, Tensor[] inputs, Tensor? gradient, bool? retain_graph,
///   bool create_graph)`. Gradients are taken one call at a time, because LibTorch leaves them at the
///   parameters, from where they are taken away again at once.
public func gradients(
  of loss: TorchTensor, withRespectTo parameters: [TorchTensor], keepingGraph: Bool = false
) throws(TinctureError) -> [TorchTensor] {
  for (position, parameter) in parameters.enumerated() where !parameter.requiresGradient {
    throw TinctureError(
      .engine,
      "Parameter \(position), \(parameter.summary), requires no gradients; make it with"
        + " requiringGradient() before the loss is computed from it.")
  }
  return try gradientLock.withLock { (_) throws(TinctureError) in
    defer { for parameter in parameters { parameter.dropGradient() } }
    try loss.library.callForEffect(
      "aten::_backward", "", .tensor(loss), .tensors(parameters), .none,
      .some(.bool(keepingGraph)), .bool(false))
    var result: [TorchTensor] = []
    for parameter in parameters { result.append(try parameter.takenGradient()) }
    return result
  }
}

private let gradientLock = Mutex<Void>(())

extension TorchTensor {
  /// Whether derivatives with respect to this tensor can be asked for.
  public var requiresGradient: Bool {
    tensorImplementation.map { library.functions.requiresGradient($0) } ?? false
  }

  /// The same values as a new variable, independent of what they were computed from.
  public func requiringGradient() throws(TinctureError) -> TorchTensor {
    let variable = try detached()
    guard library.functions.setRequiresGradient(variable.handle.pointer, true) == 0 else {
      throw library.failure(of: "requires_grad_", [.tensor(self)])
    }
    return variable
  }

  /// The same values as a constant.
  ///
  /// Schema: `aten::detach(Tensor self)`.
  public func detached() throws(TinctureError) -> TorchTensor {
    try library.call("aten::detach", "", .tensor(self))
  }

  /// LibTorch's object, to which a handle's word points.
  private var tensorImplementation: UnsafeMutableRawPointer? {
    UnsafeRawPointer(handle.pointer).load(as: UnsafeMutableRawPointer?.self)
  }

  /// The gradient that lies at this tensor, or zeros.
  fileprivate func takenGradient() throws(TinctureError) -> TorchTensor {
    if let tensorImplementation {
      let gradient = library.functions.mutableGradient(tensorImplementation)
      var isDefined = false
      if library.functions.isDefined(gradient, &isDefined) == 0, isDefined {
        return TorchTensor(TorchHandle(try library.newHandle(gradient), of: library))
      }
    }
    return try library.call(
      "aten::zeros_like", "", .tensor(try detached()), .none, .none, .none, .none, .none)
  }

  /// Takes away the gradient that lies at this tensor.
  fileprivate func dropGradient() {
    guard let tensorImplementation else { return }
    let gradient = library.functions.mutableGradient(tensorImplementation)
    var nothing: OpaquePointer?
    guard library.functions.undefinedTensor(&nothing) == 0, let nothing else { return }
    _ = library.functions.assign(nothing, gradient)
    _ = library.functions.deleteHandle(nothing)
  }
}
