/// Where the rows of a model's new embedding come from.
///
/// A merge over different vocabularies first gives every model an embedding for the vocabulary of the
/// output; row `i` of it is `map[i]`. Then the rows of all models stand for the same tokens.
public struct RowMap: Sendable {
  /// A row of the embedding of a model.
  public struct Donor: Sendable, Hashable {
    /// The index of the model in the merge.
    public let model: Int
    /// The row in the embedding of that model as it is stored.
    public let row: Int

    /// Names a row of a model.
    public init(model: Int, row: Int) {
      self.model = model
      self.row = row
    }
  }

  /// The origin of a row.
  public enum Source: Sendable, Hashable {
    /// A row of the model's own embedding.
    case own(Int)
    /// A row of another model's embedding.
    case model(Int, row: Int)
    /// The mean of rows of several models, one of each, in the order of the models.
    case mean([Donor])
    /// Zeros.
    case zero
    /// The mean of all rows of the new embedding with another source than this one.
    case meanOfAll
  }

  private static let zero: Int32 = -1
  private static let meanOfAll: Int32 = -2
  private static let firstGroup: Int32 = -3

  /// One code per row: a row of its own, one of the names above, or a group counted downwards.
  private let codes: ContiguousArray<Int32>
  private let donors: RowDonors
  /// The index of the model to whose embedding the map leads.
  private let model: Int

  init(codes: ContiguousArray<Int32>, donors: RowDonors, model: Int) {
    self.codes = codes
    self.donors = donors
    self.model = model
  }

  /// The number of rows of the new embedding.
  public var count: Int { codes.count }

  /// The source of a row of the new embedding.
  ///
  /// - Complexity: O(1), or O(models) for a mean.
  public subscript(row: Int) -> Source {
    switch codes[row] {
    case let own where own >= 0: return .own(Int(own))
    case Self.zero: return .zero
    case Self.meanOfAll: return .meanOfAll
    case let code:
      let group = donors[Int(Self.firstGroup - code)]
      guard group.count == 1, let donor = group.first else { return .mean(Array(group)) }
      return donor.model == model ? .own(donor.row) : .model(donor.model, row: donor.row)
    }
  }

  /// Whether the new embedding equals one of `rows` rows as it is stored.
  ///
  /// - Complexity: O(n).
  public func isIdentity(rows: Int) -> Bool {
    rows == codes.count && codes.indices.allSatisfy { codes[$0] == Int32($0) }
  }

  /// The code of a source that does not depend on the model.
  static func code(_ source: RowDonors.Source) -> Int32 {
    switch source {
    case .zero: zero
    case .meanOfAll: meanOfAll
    case .group(let index): firstGroup - Int32(index)
    }
  }
}

/// The rows that models give to others, in groups; the maps of all models share them.
struct RowDonors: Sendable {
  enum Source {
    case zero
    case meanOfAll
    case group(Int)
  }

  private var members: ContiguousArray<RowMap.Donor> = []
  private var ends: ContiguousArray<Int32> = []

  /// Adds a group and returns its number.
  mutating func append(_ group: some Sequence<RowMap.Donor>) -> Source {
    members.append(contentsOf: group)
    ends.append(Int32(members.count))
    return .group(ends.count - 1)
  }

  subscript(group: Int) -> ArraySlice<RowMap.Donor> {
    let start = group == 0 ? 0 : Int(ends[group - 1])
    return ArraySlice(members[start..<Int(ends[group])])
  }
}
