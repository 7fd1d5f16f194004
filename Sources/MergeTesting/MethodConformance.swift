public import TinctureMerging
public import TinctureTensors

/// Checks that a method keeps what the library promises about every method.
///
/// ```swift
/// let broken = try await MethodConformance(MyMethod(), values: ["weight": .number(1)]).violations()
/// #expect(broken.isEmpty)
/// ```
///
/// Tiny checkpoints with tensors of many shapes are merged again and again: with other workers and
/// block sizes, with models in another order, with equal models, with numbers that are not finite, with
/// another seed. Each difference that should not be is a sentence in the result.
public struct MethodConformance: Sendable {
  /// What a method promises.
  public enum Promise: Sendable, Hashable, CaseIterable {
    /// Workers, windows, blocks and cuts change no byte of the output.
    case sameBytes
    /// Models of equal weight may be given in any order.
    case symmetry
    /// Models that are all equal give that model.
    case equalModels
    /// Models equal to the base give the base.
    case zeroTaskVectors
    /// NaN in an input is an error, is replaced or is let through, as the options say.
    case nonFinite
    /// The output depends on the seed if and only if the method is random.
    case seeds
    /// No more vectors are used than declared.
    case memory
  }

  /// The method.
  public let method: any MergeMethod
  /// Values of parameters that differ from the defaults.
  public let values: [String: ParameterValue]
  /// What is checked.
  public let promises: Set<Promise>
  /// How many models are merged.
  public let modelCount: Int
  /// What the values of the step's parameters are.
  private(set) var parameters: ResolvedParameters

  /// Prepares the checks.
  ///
  /// Which promises a method makes is read off its description: symmetry needs more than one model and
  /// no random numbers, zero task vectors need a base, equal models need a method without one.
  ///
  /// - Parameters:
  ///   - method: The method.
  ///   - values: Values of parameters; those without a default that are missing here get 1 where there
  ///     is one for each model, else 0.5.
  ///   - exceptions: Promises that these values break by design.
  ///   - filters: Steps before and after the method with their values, for a method between steps.
  /// - Throws: `recipe` when a value is not acceptable.
  public init(
    _ method: any MergeMethod, values: [String: ParameterValue] = [:],
    except exceptions: Set<Promise> = [], filters: [(FilterInfo, [String: ParameterValue])] = []
  ) throws(TinctureError) {
    let info = method.info
    var values = values
    for declaration in info.parameters
    where declaration.defaultValue == nil && values[declaration.name] == nil {
      values[declaration.name] = .number(declaration.scope == .model ? 1 : 0.5)
    }
    self.method = method
    self.values = values
    // Means of two or four numbers are exact, so that order cannot change a rounding.
    modelCount = [4, 3, 2].first { info.modelCount.contains($0) } ?? info.modelCount.lowerBound
    parameters = try ResolvedParameters(for: info, values, modelCount: modelCount)
    for (filter, values) in filters {
      parameters.filters.append(
        try ResolvedParameters(for: filter, values, modelCount: modelCount))
    }
    if let objection = method.objection(to: parameters, modelCount: modelCount) {
      throw TinctureError(.recipe, objection + ".")
    }
    var promises = Set(Promise.allCases)
    if info.isRandom || modelCount == 1 { promises.remove(.symmetry) }
    switch info.base {
    case .required: promises.remove(.equalModels)
    case .none, .member: promises.remove(.zeroTaskVectors)
    case .optional: break
    }
    self.promises = promises.subtracting(exceptions)
  }

  /// Runs all checks.
  ///
  /// - Parameter dtypes: The types of the checkpoints; what does not concern rounding is checked for the
  ///   first only.
  /// - Returns: One sentence for each broken promise; empty when all are kept.
  /// - Throws: What a merge throws that should not have failed.
  public func violations(dtypes: [DType] = [.f32, .bf16, .f16]) async throws(TinctureError)
    -> [String]
  {
    var found: [String] = []
    for (position, dtype) in dtypes.enumerated() {
      var models = ConformanceModels(dtype: dtype, count: modelCount)
      if let kind = method.info.statistics { models.measure(kind) }
      if promises.contains(.sameBytes) { found += try await checkSameBytes(models) }
      if promises.contains(.equalModels) { found += try await checkEqualModels(models) }
      if promises.contains(.zeroTaskVectors) { found += try await checkZeroTaskVectors(models) }
      guard position == 0 else { continue }
      if promises.contains(.symmetry) { found += try await checkSymmetry(models) }
      if promises.contains(.nonFinite) { found += try await checkNonFinite(models) }
      if promises.contains(.seeds) { found += try await checkSeeds(models) }
      if promises.contains(.memory) { found += try await checkMemory(models) }
    }
    return found.map { "\(method.info.name): \($0)" }
  }

  /// A merge with these settings.
  func trial(_ models: ConformanceModels, withBase: Bool = true) -> MergeTrial {
    let usesBase = method.info.base == .required || (withBase && method.info.base == .optional)
    var trial = MergeTrial(
      method, base: usesBase ? models.base : nil, models: models.models, parameters: parameters)
    trial.statistics = models.statistics
    return trial
  }
}
