public import TinctureTensors

/// A figure of merit that is accumulated batch by batch.
///
/// The figure is that of all examples together, whatever the batches were: sums, counts and ranks are
/// kept, never the mean of batch means. `value` may be asked for at any time and changes nothing.
///
/// A type that conforms says in `info` what it is, accepts the kinds of `Observations` that it can use
/// and refuses the others, and leaves itself unchanged when it refuses.
public protocol Metric: Sendable {
  /// What the metric is: name, formula, direction, unit and the output it needs.
  var info: MetricInfo { get }

  /// The figure so far; nil while it is undefined, for example before the first example.
  var value: Double? { get }

  /// The figure with those that belong to it, by name; the first is `value`.
  var details: [(name: String, value: Double?)] { get }

  /// Takes a batch into account.
  ///
  /// - Parameter batch: Outputs of a network and what is true.
  /// - Throws: `data` when counts differ, a label is out of range or the kind of output is not the one
  ///   that the metric needs.
  mutating func add(_ batch: Observations) throws(TinctureError)
}

extension Metric {
  /// The figure alone.
  public var details: [(name: String, value: Double?)] { [(info.name, value)] }
}

/// What a metric is, for suites, tables and help screens.
public struct MetricInfo: Sendable, Hashable {
  /// Whether more is better.
  public enum Direction: String, Sendable, Hashable {
    /// Larger values are better.
    case higher
    /// Smaller values are better.
    case lower
  }

  /// What the figure counts, which decides how it is shown.
  public enum Unit: String, Sendable, Hashable {
    /// A share from 0 to 1, shown in per cent.
    case share
    /// A coefficient from −1 to 1, shown multiplied by 100, as the field does.
    case coefficient
    /// An angle in degrees.
    case degrees
    /// The unit of the data's depth, usually metres.
    case depth
    /// A ratio without unit.
    case ratio

    /// What a value is multiplied by to be shown.
    public var displayScale: Double {
      switch self {
      case .share, .coefficient: 100
      case .degrees, .depth, .ratio: 1
      }
    }

    /// What is written behind a shown value.
    public var symbol: String {
      switch self {
      case .share: "%"
      case .degrees: "°"
      case .coefficient, .depth, .ratio: ""
      }
    }
  }

  /// The name in suites: `accuracy`.
  public let name: String
  /// The name in tables: "Accuracy".
  public let title: String
  /// The definition in plain text.
  public let formula: String
  /// Whether more is better.
  public let direction: Direction
  /// What the figure counts.
  public let unit: Unit
  /// What a network must put out.
  public let needs: OutputKind

  /// Describes a metric.
  public init(
    _ name: String, title: String, formula: String, direction: Direction = .higher,
    unit: Unit = .share, needs: OutputKind
  ) {
    self.name = name
    self.title = title
    self.formula = formula
    self.direction = direction
    self.unit = unit
    self.needs = needs
  }

  /// Whether one value is better than another.
  public func isBetter(_ value: Double, than other: Double) -> Bool {
    direction == .higher ? value > other : value < other
  }
}
