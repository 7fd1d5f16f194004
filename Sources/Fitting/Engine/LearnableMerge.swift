package import TinctureNetworks
package import TinctureTensors
package import TinctureTorch

/// What is learned about a merge: how the merged model follows from it, and how it moves.
///
/// A fit asks for the merged tensors, computes a loss from them, and hands the derivatives back. Several
/// losses may be taken in before a step.
package protocol LearnableMerge: AnyObject {
  /// Puts the merged model together.
  ///
  /// - Returns: The tensors, and what losses are differentiated by.
  /// - Throws: What reading and LibTorch throw.
  func assemble() throws(TinctureError) -> MergedTensors

  /// Takes in the derivatives of one loss.
  ///
  /// - Parameter gradients: The derivatives with respect to the leaves, in their order.
  /// - Returns: Whether all were finite; otherwise nothing was taken in.
  /// - Throws: What reading and LibTorch throw.
  func accumulate(_ gradients: [TorchTensor]) throws(TinctureError) -> Bool

  /// Moves along what was taken in, and forgets it.
  ///
  /// - Parameters:
  ///   - step: The number of the step, from 0.
  ///   - count: How many steps there are.
  /// - Throws: What LibTorch throws.
  func step(_ step: Int, of count: Int) throws(TinctureError)

  /// Remembers the present state as the best one.
  func keep()

  /// Returns to the state that was remembered last, if one was.
  func takeKept()

  /// The least and the greatest coefficient, where there are coefficients.
  var coefficientRange: ClosedRange<Double>? { get }

  /// Writes down everything that later steps depend on.
  func save(into snapshot: inout FitSnapshot) throws(TinctureError)

  /// Goes on from what was written down.
  ///
  /// - Throws: `checkpoint` when the snapshot is of something else.
  func restore(from snapshot: FitSnapshot) throws(TinctureError)
}

/// A merge that ends with coefficients of task vectors.
package protocol CoefficientLearning: LearnableMerge {
  /// The coefficients.
  var table: CoefficientTable { get }
}

extension CoefficientLearning {
  /// The least and the greatest coefficient.
  package var coefficientRange: ClosedRange<Double>? { table.range }
}

extension LearnableMerge {
  /// Remembers nothing: for merges that are never validated.
  package func keep() {}
  /// Stays as it is.
  package func takeKept() {}
}

/// A merged model in the middle of a fit.
package struct MergedTensors {
  /// The tensors, in the order of the task vectors' tensors.
  package let tensors: [TorchTensor]
  /// What losses are differentiated by: these tensors, or what they were computed from.
  package let leaves: [TorchTensor]
  /// What makes parameters of perceptrons anew for every input, where something does.
  package let router: (any ParameterRouter)?

  /// Describes a model.
  package init(
    tensors: [TorchTensor], leaves: [TorchTensor], router: (any ParameterRouter)? = nil
  ) {
    self.tensors = tensors
    self.leaves = leaves
    self.router = router
  }
}
