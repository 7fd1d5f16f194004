public import TinctureNetworks
public import TinctureTensors

/// The modes of a run's phases by the epochs at which they begin.
///
/// The published schedule has three: factors from the beginning, dense weights from the inflation on, adaptors from the
/// deflation on. There may be any number.
///
/// Source: Shin et al., arXiv:2508.08625.
public struct RankSchedule: Sendable, Hashable {
  /// A phase.
  public struct Phase: Sendable, Hashable {
    /// The epoch at which it begins, from 0.
    public let epoch: Int
    /// The mode.
    public let mode: LayerMode
  }

  /// The phases in order, the first at epoch 0.
  public let phases: [Phase]

  /// A run with one mode from beginning to end.
  public init(_ mode: LayerMode) { phases = [Phase(epoch: 0, mode: mode)] }

  /// Lists the phases.
  ///
  /// - Parameter phases: The phases by the epochs at which they begin.
  /// - Throws: `recipe` when the first is not at epoch 0, the epochs do not ascend, a dense phase begins before the run
  ///   does, or factors at random would throw away what was learnt before them.
  public init(phases: [(epoch: Int, mode: LayerMode)]) throws(TinctureError) {
    guard let first = phases.first else {
      throw TinctureError(.recipe, "A schedule of ranks needs a phase.")
    }
    guard first.epoch == 0 else {
      throw TinctureError(
        .recipe, "The first phase of a schedule begins at epoch 0; this one at \(first.epoch).")
    }
    for (before, phase) in zip(phases, phases.dropFirst()) {
      guard phase.epoch > before.epoch else {
        let place = before.epoch == 0 ? "before the run does" : "not after the phase before it"
        throw TinctureError(
          .recipe,
          "The phase \(phase.mode.name) begins at epoch \(phase.epoch), \(place): the phase \(before.mode.name)"
            + " begins at epoch \(before.epoch).")
      }
      guard case .lowRank(let settings) = phase.mode else { continue }
      guard settings.startsFromWeight else {
        throw TinctureError(
          .recipe,
          "The phase low_rank at epoch \(phase.epoch) would begin at random and throw away what was learnt; let it"
            + " start from the weights, or choose an adaptor.")
      }
    }
    for phase in phases {
      guard case .lowRank(let settings) = phase.mode, settings.startsFromWeight,
        !settings.form.isDecomposable
      else { continue }
      throw TinctureError(
        .recipe,
        "Factors of the form \(settings.form.rawValue) cannot start from weights; choose matrix or tucker."
      )
    }
    self.phases = phases.map { Phase(epoch: $0.epoch, mode: $0.mode) }
  }

  /// Puts windows of dense training into a run of low rank.
  ///
  /// - Parameters:
  ///   - windows: The epochs at which each window begins (inflation) and ends (deflation); nil ends with the run.
  ///   - lowRank: The mode before the first window.
  ///   - deflated: The mode after each window.
  /// - Throws: `recipe` when a window begins before the run or ends before it begins.
  public init(
    windows: [(inflate: Int, deflate: Int?)], lowRank: LowRankSettings = LowRankSettings(),
    deflated: LayerMode = .adaptor(AdaptorSettings())
  ) throws(TinctureError) {
    var phases: [(epoch: Int, mode: LayerMode)] = [(0, .lowRank(lowRank))]
    for (index, window) in windows.enumerated() {
      guard window.inflate > 0 else {
        throw TinctureError(
          .recipe,
          "The schedule inflates at epoch \(window.inflate), before the phase of low rank has an epoch; inflate at"
            + " epoch 1 or later, or train densely from the beginning.")
      }
      guard window.deflate.map({ $0 > window.inflate }) ?? (index == windows.count - 1) else {
        throw TinctureError(
          .recipe,
          "The schedule inflates at epoch \(window.inflate) and deflates at"
            + " \(window.deflate.map(String.init) ?? "no epoch"); deflate after the inflation and before the next."
        )
      }
      phases.append((window.inflate, .dense))
      if let deflate = window.deflate { phases.append((deflate, deflated)) }
    }
    try self.init(phases: phases)
  }

  /// The number of the phase that an epoch belongs to.
  public func phase(atEpoch epoch: Int) -> Int {
    (phases.lastIndex { $0.epoch <= epoch }) ?? 0
  }

  /// The mode of an epoch.
  public func mode(atEpoch epoch: Int) -> LayerMode { phases[phase(atEpoch: epoch)].mode }

  /// Makes sure that every phase begins within a run.
  ///
  /// - Parameter epochs: The number of epochs.
  /// - Throws: `recipe` that names the first phase which does not.
  public func check(epochs: Int) throws(TinctureError) {
    guard let late = phases.first(where: { $0.epoch > 0 && $0.epoch >= epochs }) else { return }
    throw TinctureError(
      .recipe,
      "The phase \(late.mode.name) begins at epoch \(late.epoch), but the run ends after \(epochs) epochs."
    )
  }

  /// Plans all phases for a network, so that nothing about them fails later.
  ///
  /// - Parameters:
  ///   - network: The network.
  ///   - targets: The layers that change their form.
  ///   - frozen: Full names of tensors that are never trained.
  ///   - others: Tensors that are trained beside the network's.
  /// - Returns: A plan for each phase.
  /// - Throws: `recipe` when a rank is above a layer, or an expression of the targets is found nowhere.
  public func plans(
    for network: any Network, targets: RankTargets = .published, frozen: Set<String> = [],
    others: [ParameterShape] = []
  ) throws(TinctureError) -> [PhasePlan] {
    var plans: [PhasePlan] = []
    for phase in phases {
      plans.append(
        try PhasePlan(
          phase.mode, for: network, targets: targets, frozen: frozen, others: others))
    }
    return plans
  }
}
