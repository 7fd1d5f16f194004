internal import TinctureJSON
internal import TinctureTensors

/// What happened in a run so far, epoch by epoch.
public struct TrainingHistory: Sendable, Hashable {
  /// One epoch.
  public struct Epoch: Sendable, Hashable {
    /// The phase in which it was, from 0.
    public var phase: Int
    /// How many steps it had.
    public var steps: Int
    /// The learning rate of its last step.
    public var rate: Double
    /// The mean loss over its training examples.
    public var loss: Double
    /// The share of right answers to its training examples, before each step.
    public var accuracy: Double
    /// The mean loss over the test examples afterwards, without smoothing.
    public var testLoss: Double?
    /// The share of right answers to the test examples afterwards.
    public var testAccuracy: Double?
    /// The effective, stable and numerical rank of each weight afterwards, by its name.
    public var ranks: [String: [Double]] = [:]
    /// The singular values of each weight afterwards, largest first: all, or 64 at equal distances of the first to
    /// the last.
    public var spectra: [String: [Double]] = [:]

    /// Takes in what was measured of the weights.
    mutating func take(_ measures: [String: RankMeasure]) {
      ranks = measures.mapValues { [$0.effectiveRank, $0.stableRank, Double($0.numericalRank)] }
      spectra = measures.mapValues { $0.sampledSpectrum(64) }
    }
  }

  /// How long an epoch took and how much memory it needed; other in every run.
  public struct Cost: Sendable, Hashable {
    /// The seconds of its steps and its measurement.
    public var seconds: Double
    /// The seconds of its steps alone.
    public var stepSeconds: Double
    /// The greatest resident memory of the process, in bytes; nil where the system does not tell.
    public var peakBytes: Int?
  }

  /// The epochs.
  public internal(set) var epochs: [Epoch] = []
  /// Their cost, one for each.
  public internal(set) var costs: [Cost] = []
  /// How many epochs an interrupted run had done.
  public internal(set) var resumedEpochs = 0

  /// The figures of an epoch as a program reads them.
  static func json(_ epoch: Epoch) -> JSONValue {
    var object = JSONObject([
      ("phase", .integer(epoch.phase)), ("steps", .integer(epoch.steps)),
      ("lr", number(epoch.rate)), ("loss", number(epoch.loss)),
      ("accuracy", number(epoch.accuracy)),
    ])
    if let loss = epoch.testLoss { object["test_loss"] = number(loss) }
    if let accuracy = epoch.testAccuracy { object["test_accuracy"] = number(accuracy) }
    if !epoch.ranks.isEmpty { object["ranks"] = json(epoch.ranks, number) }
    // The digits of single precision suffice for what is only looked at.
    if !epoch.spectra.isEmpty {
      object["spectra"] = json(epoch.spectra) { .number(String(Float($0))) }
    }
    return .object(object)
  }

  static func json(_ cost: Cost) -> JSONValue {
    var object = JSONObject([
      ("seconds", number(cost.seconds)), ("step_seconds", number(cost.stepSeconds)),
    ])
    if let bytes = cost.peakBytes { object["peak_bytes"] = .integer(bytes) }
    return .object(object)
  }

  private static func json(
    _ lists: [String: [Double]], _ number: (Double) -> JSONValue
  ) -> JSONValue {
    .object(
      JSONObject(lists.sorted { $0.key < $1.key }.map { ($0.key, .array($0.value.map(number))) }))
  }

  private static func number(_ value: Double) -> JSONValue {
    value.isFinite ? .number(String(value)) : .null
  }

  /// The history as a text that gives it back exactly.
  var text: String {
    JSONValue.object(
      JSONObject([
        ("epochs", .array(epochs.map(Self.json))), ("costs", .array(costs.map(Self.json))),
      ])
    ).text(indentation: nil)
  }

  init() {}

  /// Reads the text.
  ///
  /// - Throws: `checkpoint` when it is no such text.
  init(parsing text: String) throws(TinctureError) {
    let json = try JSONValue(parsing: text)
    for item in json["epochs"]?.arrayValue ?? [] {
      guard let phase = item["phase"]?.intValue, let steps = item["steps"]?.intValue,
        let rate = item["lr"]?.doubleValue, let loss = item["loss"]?.doubleValue,
        let accuracy = item["accuracy"]?.doubleValue
      else {
        throw TinctureError(.checkpoint, "The history of the run is damaged.")
      }
      var epoch = Epoch(phase: phase, steps: steps, rate: rate, loss: loss, accuracy: accuracy)
      epoch.testLoss = item["test_loss"]?.doubleValue
      epoch.testAccuracy = item["test_accuracy"]?.doubleValue
      epoch.ranks = Self.lists(item["ranks"])
      epoch.spectra = Self.lists(item["spectra"])
      epochs.append(epoch)
    }
    for item in json["costs"]?.arrayValue ?? [] {
      costs.append(
        Cost(
          seconds: item["seconds"]?.doubleValue ?? 0,
          stepSeconds: item["step_seconds"]?.doubleValue ?? 0,
          peakBytes: item["peak_bytes"]?.intValue))
    }
    resumedEpochs = epochs.count
  }

  private static func lists(_ json: JSONValue?) -> [String: [Double]] {
    var lists: [String: [Double]] = [:]
    for (name, values) in json?.objectValue?.members ?? [] {
      lists[name] = (values.arrayValue ?? []).compactMap(\.doubleValue)
    }
    return lists
  }
}
