internal import TinctureEvaluation
internal import TinctureMerging
internal import TinctureRecipes
internal import TinctureTensors

extension RunDecoder {
  private static let modes = ["dense", "low_rank", "cp", "tucker", "adaptor", "lora", "dynamic"]
  private static let settings = [
    "form", "rank", "ratio", "start", "alpha", "must_save", "train_rest",
  ]
  private static let rules = ["targets", "exclude", "momentum", "statistics", "measure"]

  /// How weights are held: one mode, a list of phases, or dense windows in a run of low rank.
  mutating func ranks(_ node: YAMLNode) -> TrainingRanks {
    var ranks = TrainingRanks()
    if node.mapping == nil {
      let words: [YAMLMember] = [YAMLMember(name: "mode", position: node.position, value: node)]
      return self.ranks(YAMLNode(content: .mapping(words), position: node.position))
    }
    let own = ["mode", "phases", "inflate", "deflate", "windows", "after", "adaptor"]
    let keys = own + Self.settings + Self.rules
    guard let members = members(of: node, keys: keys, in: "'ranks'") else { return ranks }
    rules(members, &ranks)
    if let list = members["phases"] {
      for key in own + Self.settings where key != "phases" {
        if let other = members.member(key) {
          report(other.position, "With 'phases' each phase says its own; remove '\(key)'.")
        }
      }
      let phases = (items(list, "'phases'") ?? []).compactMap { phase($0) }
      placed(list, &ranks) { () throws(TinctureError) in
        .listed(try RankSchedule(phases: phases))
      }
      return ranks
    }
    guard let mode = members["mode"] else {
      reportMissing(["mode"], of: members, "'ranks' needs a 'mode' or 'phases'.")
      return ranks
    }
    if mode.scalar?.text == "dynamic" {
      dynamic(members, &ranks)
      return ranks
    }
    for key in ["inflate", "deflate", "windows", "after", "adaptor"] {
      if let other = members.member(key) {
        report(other.position, "'\(key)' needs the mode 'dynamic'.")
      }
    }
    if let found = self.mode(mode, members) {
      placed(node, &ranks) { () throws(TinctureError) in
        .listed(try RankSchedule(phases: [(0, found)]))
      }
    }
    return ranks
  }

  /// Takes a placement, or notes what is wrong with it.
  private mutating func placed(
    _ node: YAMLNode, _ ranks: inout TrainingRanks,
    _ make: () throws(TinctureError) -> TrainingRanks.Placement
  ) {
    do throws(TinctureError) { ranks.placement = try make() } catch {
      report(node.position, error.message)
    }
  }

  private mutating func rules(_ members: YAMLMembers, _ ranks: inout TrainingRanks) {
    if let node = members["targets"] { ranks.targets.patterns = patterns(node, "'targets'") }
    if let node = members["exclude"] { ranks.targets.exclusions = patterns(node, "'exclude'") }
    if let rule = choice(members["momentum"], "'momentum'", of: MomentumRule.self) {
      ranks.momentum = rule
    }
    if let rule = choice(members["statistics"], "'statistics'", of: StatisticsRule.self) {
      ranks.statistics = rule
    }
    if let measured = flag(members["measure"], "'measure'") { ranks.isMeasured = measured }
  }

  private mutating func patterns(_ node: YAMLNode, _ what: String) -> [TensorPattern] {
    var patterns: [TensorPattern] = []
    for item in node.list ?? [node] {
      guard let word = text(item, what) else { continue }
      do throws(TinctureError) { patterns.append(try TensorPattern(word.value)) } catch {
        report(item.position, error.message)
      }
    }
    return patterns
  }

  /// One phase: the epoch at which it begins, and its mode.
  private mutating func phase(_ node: YAMLNode) -> (epoch: Int, mode: LayerMode)? {
    let keys = ["epoch", "mode"] + Self.settings
    guard let members = members(of: node, keys: keys, in: "a phase") else { return nil }
    guard let epoch = integer(members["epoch"], "'epoch'", in: 0...1 << 24),
      let mode = members["mode"]
    else {
      reportMissing(["epoch", "mode"], of: members, "A phase needs an 'epoch' and a 'mode'.")
      return nil
    }
    if mode.scalar?.text == "dynamic" {
      report(mode.position, "A phase has one mode; 'dynamic' is several phases.")
      return nil
    }
    guard let found = self.mode(mode, members) else { return nil }
    return (epoch.value, found)
  }

  /// A mode with its settings.
  private mutating func mode(_ node: YAMLNode, _ members: YAMLMembers) -> LayerMode? {
    let own: [String]
    let mode: LayerMode
    switch node.scalar?.text {
    case "dense"?:
      (own, mode) = ([], .dense)
    case "low_rank"?:
      own = ["form", "rank", "ratio", "start", "must_save"]
      mode = .lowRank(lowRank(members))
    case "cp"?, "tucker"?:
      own = ["rank", "ratio", "start", "must_save"]
      var settings = lowRank(members)
      settings.form = node.scalar?.text == "cp" ? .cp : .tucker
      mode = .lowRank(settings)
    case "adaptor"?, "lora"?:
      own = ["form", "rank", "ratio", "alpha", "must_save", "train_rest"]
      var settings = adaptor(members)
      // Adapters of other programs change nothing but the chosen layers.
      if node.scalar?.text == "lora", members["train_rest"] == nil { settings.trainsRest = false }
      mode = .adaptor(settings)
    default:
      report(
        node.position, "'mode' is one of \(Self.listing(Self.modes)), but this is \(node.kind).")
      return nil
    }
    for key in Self.settings where !own.contains(key) {
      if let other = members.member(key) {
        report(other.position, "'\(key)' is no setting of the mode '\(mode.name)'.")
      }
    }
    return mode
  }

  private mutating func rank(_ members: YAMLMembers) -> LayerRank? {
    if let node = members["rank"] {
      if let other = members.member("ratio") {
        report(other.position, "'rank' and 'ratio' exclude each other.")
      }
      return integer(node, "'rank'", in: 1...1 << 24).map { .rank($0.value) }
    }
    guard let node = members["ratio"], let value = share(node, "'ratio'") else { return nil }
    if value == 0 { report(node.position, "'ratio' must be above 0.") }
    return .ratio(value)
  }

  private mutating func lowRank(_ members: YAMLMembers) -> LowRankSettings {
    var settings = LowRankSettings()
    if let form = choice(members["form"], "'form'", of: FactorForm.self) { settings.form = form }
    if let rank = rank(members) { settings.rank = rank }
    if let node = members["start"] {
      switch node.scalar?.text {
      case "random"?: settings.startsFromWeight = false
      case "weight"?: settings.startsFromWeight = true
      default: report(node.position, "'start' is 'random' or 'weight', but this is \(node.kind).")
      }
    }
    if let mustSave = flag(members["must_save"], "'must_save'") { settings.mustSave = mustSave }
    return settings
  }

  private mutating func adaptor(_ members: YAMLMembers) -> AdaptorSettings {
    var settings = AdaptorSettings()
    if let form = choice(members["form"], "'form'", of: FactorForm.self) { settings.form = form }
    if let rank = rank(members) { settings.rank = rank }
    if let alpha = positive(members["alpha"], "'alpha'") { settings.alpha = alpha }
    if let mustSave = flag(members["must_save"], "'must_save'") { settings.mustSave = mustSave }
    if let trains = flag(members["train_rest"], "'train_rest'") { settings.trainsRest = trains }
    return settings
  }

  /// Low rank with dense windows: by their epochs, or around the first decay of the learning rate.
  private mutating func dynamic(_ members: YAMLMembers, _ ranks: inout TrainingRanks) {
    let lowRank = lowRank(members)
    for key in ["alpha", "train_rest"] {
      if let other = members.member(key) {
        report(other.position, "'\(key)' of the phases after a window goes under 'adaptor'.")
      }
    }
    var after = AdaptorSettings()
    (after.form, after.rank) = (lowRank.form, lowRank.rank)
    if let node = members["adaptor"] {
      let keys = ["form", "rank", "ratio", "alpha", "must_save", "train_rest"]
      if let own = self.members(of: node, keys: keys, in: "'adaptor'") {
        let said = adaptor(own)
        if own["form"] != nil { after.form = said.form }
        if own["rank"] != nil || own["ratio"] != nil { after.rank = said.rank }
        (after.alpha, after.mustSave, after.trainsRest) = (
          said.alpha, said.mustSave, said.trainsRest
        )
      }
    }
    var deflated = LayerMode.adaptor(after)
    if let node = members["after"] {
      switch node.scalar?.text {
      case "adaptor"?: break
      case "low_rank"?:
        var factors = lowRank
        factors.startsFromWeight = true
        deflated = .lowRank(factors)
        if let other = members.member("adaptor") {
          report(other.position, "With 'after: low_rank' there is no adaptor; remove 'adaptor'.")
        }
      default:
        report(node.position, "'after' is 'adaptor' or 'low_rank', but this is \(node.kind).")
      }
    }
    let windows = windows(members)
    if windows.isEmpty {
      ranks.placement = .automatic(lowRank: lowRank, deflated: deflated)
      return
    }
    let place = members["windows"] ?? members["inflate"]
    guard let place else { return }
    placed(place, &ranks) { () throws(TinctureError) in
      .listed(try RankSchedule(windows: windows, lowRank: lowRank, deflated: deflated))
    }
  }

  /// Pairs of epochs; the last may have no end.
  private mutating func windows(_ members: YAMLMembers) -> [(inflate: Int, deflate: Int?)] {
    if let list = members["windows"] {
      for key in ["inflate", "deflate"] {
        if let other = members.member(key) {
          report(other.position, "'windows' says all epochs; remove '\(key)'.")
        }
      }
      return (items(list, "'windows'") ?? []).compactMap { node in
        let pair = node.list ?? []
        guard (1...2).contains(pair.count) else {
          report(node.position, "A window is a list of its first epoch and the epoch after it.")
          return nil
        }
        let epochs = pair.compactMap { integer($0, "An epoch of a window", in: 0...1 << 24)?.value }
        return epochs.count == pair.count
          ? (epochs[0], epochs.count > 1 ? epochs[1] : nil) : nil
      }
    }
    let deflate = integer(members["deflate"], "'deflate'", in: 0...1 << 24)
    guard let inflate = integer(members["inflate"], "'inflate'", in: 0...1 << 24) else {
      if let other = members.member("deflate"), members["inflate"] == nil {
        report(other.position, "'deflate' needs an 'inflate'.")
      }
      return []
    }
    return [(inflate.value, deflate?.value)]
  }
}
