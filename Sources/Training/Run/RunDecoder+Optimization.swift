internal import TinctureEvaluation
internal import TinctureMerging
internal import TinctureRecipes
internal import TinctureTensors
internal import TinctureTorch

extension RunDecoder {
  /// A positive number.
  mutating func positive(_ node: YAMLNode?, _ what: String) -> Double? {
    guard let node, let value = number(node, what) else { return nil }
    guard value > 0 else {
      report(node.position, "\(what) must be positive, but this is \(node.kind).")
      return nil
    }
    return value
  }

  /// A number from 0 up to, but without, 1; or up to and with 1.
  mutating func share(_ node: YAMLNode?, _ what: String, belowOne: Bool = false) -> Double? {
    guard let node, let value = number(node, what) else { return nil }
    guard value >= 0, belowOne ? value < 1 : value <= 1 else {
      report(
        node.position,
        "\(what) must be from 0 \(belowOne ? "to below" : "to") 1, but this is \(node.kind).")
      return nil
    }
    return value
  }

  /// A number that is not negative.
  private mutating func amount(_ node: YAMLNode?, _ what: String) -> Double? {
    guard let node, let value = number(node, what) else { return nil }
    guard value >= 0 else {
      report(node.position, "\(what) must not be negative, but this is \(node.kind).")
      return nil
    }
    return value
  }

  /// `cross_entropy`, or a mapping with the smoothing of labels.
  mutating func loss(_ node: YAMLNode, _ run: inout TrainingRun) {
    var kind: YAMLNode? = node
    if node.mapping != nil {
      guard let members = members(of: node, keys: ["kind", "smoothing"], in: "'loss'") else {
        return
      }
      kind = members["kind"]
      if let value = share(members["smoothing"], "'smoothing'", belowOne: true) {
        run.smoothing = value
      }
    }
    if let kind, kind.scalar?.text != "cross_entropy" {
      report(kind.position, "The loss is 'cross_entropy', but this is \(kind.kind).")
    }
  }

  /// The rule of optimisation and the greatest rate.
  mutating func optimizer(_ node: YAMLNode) -> TrainingOptimizer {
    var optimizer = TrainingOptimizer()
    let own = [
      "sgd": ["momentum", "dampening", "nesterov"], "adam": ["betas", "epsilon"],
      "adamw": ["betas", "epsilon"],
    ]
    let common = ["kind", "lr", "weight_decay", "decay"]
    let all = common + ["momentum", "dampening", "nesterov", "betas", "epsilon"]
    guard let members = members(of: node, keys: all, in: "'optimizer'") else { return optimizer }
    let kind = members["kind"]?.scalar?.text ?? "adamw"
    guard let settings = own[kind] else {
      report(
        members["kind"]?.position ?? node.position,
        "'kind' of an optimizer is one of 'sgd', 'adam', 'adamw', but this is '\(kind)'.")
      return optimizer
    }
    for key in all where !common.contains(key) && !settings.contains(key) {
      if let member = members.member(key) {
        report(member.position, "'\(key)' is no setting of \(kind).")
      }
    }
    if let rate = positive(members["lr"], "'lr'") { optimizer.rate = rate }
    let decay = amount(members["weight_decay"], "'weight_decay'")
    if let node = members["decay"] {
      switch node.scalar?.text {
      case "all"?: optimizer.decaysMatricesOnly = false
      case "matrices"?: optimizer.decaysMatricesOnly = true
      default: report(node.position, "'decay' is 'all' or 'matrices', but this is \(node.kind).")
      }
    }
    if kind == "sgd" {
      let momentum = share(members["momentum"], "'momentum'", belowOne: true) ?? 0
      let dampening = share(members["dampening"], "'dampening'") ?? 0
      let nesterov = flag(members["nesterov"], "'nesterov'") ?? false
      if nesterov, momentum == 0 || dampening != 0 {
        report(
          members["nesterov"]?.position ?? node.position,
          "'nesterov' needs a 'momentum' and no 'dampening'.")
      }
      optimizer.rule = .sgd(
        momentum: momentum, dampening: dampening, nesterov: nesterov, weightDecay: decay ?? 0)
      return optimizer
    }
    var (beta1, beta2) = (0.9, 0.999)
    if let node = members["betas"], let pair = numbers(node, "'betas'") {
      if pair.count == 2, pair.allSatisfy({ $0 >= 0 && $0 < 1 }) {
        (beta1, beta2) = (pair[0], pair[1])
      } else {
        report(node.position, "'betas' are two numbers from 0 to below 1.")
      }
    }
    let epsilon = positive(members["epsilon"], "'epsilon'") ?? 1e-8
    optimizer.rule =
      kind == "adam"
      ? .adam(beta1: beta1, beta2: beta2, epsilon: epsilon, weightDecay: decay ?? 0)
      : .adamW(beta1: beta1, beta2: beta2, epsilon: epsilon, weightDecay: decay ?? 0.01)
    return optimizer
  }

  /// `epochs` or `steps`.
  mutating func duration(_ members: YAMLMembers, _ run: inout TrainingRun) {
    if let node = members["steps"] {
      if let other = members.member("epochs") {
        report(other.position, "'epochs' and 'steps' exclude each other.")
      }
      if let steps = integer(node, "'steps'", in: 1...1 << 40) {
        run.duration = .steps(steps.value)
      }
    } else if let epochs = integer(members["epochs"], "'epochs'", in: 1...1 << 24) {
      run.duration = .epochs(epochs.value)
    }
  }

  /// How the rate changes; times are in epochs.
  mutating func schedule(_ node: YAMLNode, _ duration: TrainingDuration) -> LearningRateSchedule {
    var schedule = LearningRateSchedule()
    let own = [
      "constant": [], "steps": ["decays", "factor"], "cosine": ["final"], "linear": ["final"],
    ]
    var kind = node
    var found: YAMLMembers?
    if node.mapping != nil {
      let keys = ["kind", "warmup", "decays", "factor", "final"]
      guard let members = members(of: node, keys: keys, in: "'schedule'") else { return schedule }
      guard let named = members["kind"] else {
        reportMissing(["kind"], of: members, "'schedule' needs a 'kind'.")
        return schedule
      }
      (kind, found) = (named, members)
    }
    guard let name = kind.scalar?.text, let settings = own[name] else {
      report(
        kind.position,
        "The schedule is one of 'constant', 'steps', 'cosine', 'linear', but this is \(kind.kind).")
      return schedule
    }
    for key in ["decays", "factor", "final"] where !settings.contains(key) {
      if let member = found?.member(key) {
        report(member.position, "'\(key)' is no setting of the schedule '\(name)'.")
      }
    }
    if let value = amount(found?["warmup"], "'warmup'") { schedule.warmup = value }
    let final = share(found?["final"], "'final'") ?? 0
    switch name {
    case "cosine": schedule.shape = .cosine(final: final)
    case "linear": schedule.shape = .linear(final: final)
    case "steps":
      guard let node = found?["decays"], let decays = numbers(node, "'decays'") else {
        if found?["decays"] == nil {
          report(node.position, "The schedule 'steps' needs 'decays', the epochs of each.")
        }
        return schedule
      }
      if decays != decays.sorted() || Set(decays).count != decays.count || decays[0] <= 0 {
        report(node.position, "'decays' are positive epochs in rising order.")
      }
      if case .epochs(let epochs) = duration, let last = decays.last, last >= Double(epochs) {
        report(
          node.position,
          "The learning rate would fall at epoch \(Self.plain(last)), but the run has only \(epochs)"
            + " epochs.")
      }
      let factor = share(found?["factor"], "'factor'") ?? 0.1
      schedule.shape = .steps(decays: decays, factor: factor)
    default: break
    }
    if case .epochs(let epochs) = duration, schedule.warmup >= Double(epochs),
      let member = found?.member("warmup")
    {
      report(
        member.position,
        "The warm-up of \(Self.plain(schedule.warmup)) epochs never ends in a run of \(epochs).")
    }
    return schedule
  }

  /// A number as people write it.
  static func plain(_ value: Double) -> String {
    Int(exactly: value).map(String.init) ?? String(value)
  }

  /// Random changes of images.
  mutating func augmentation(_ node: YAMLNode) -> Augmentation {
    var augmentation = Augmentation()
    guard let members = members(of: node, keys: ["crop", "flip"], in: "'augmentation'") else {
      return augmentation
    }
    if let crop = integer(members["crop"], "'crop'", in: 0...1 << 12) {
      augmentation.crop = crop.value
    }
    augmentation.flips = flag(members["flip"], "'flip'") ?? false
    return augmentation
  }
}
