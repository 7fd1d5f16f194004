import TinctureJSON
import TinctureTensors

/// Decides for every row of the output's embedding and every model where it comes from.
struct RowAssignment {
  private let merge: TokenizerMerge
  private let models: ModelVocabularies
  private let output: Vocabulary
  /// For each model the codes of its map.
  private var codes: [ContiguousArray<Int32>]
  private var donors = RowDonors()
  private(set) var notes: [String] = []

  /// Decides as without rules.
  init(
    merge: TokenizerMerge, models: ModelVocabularies, output: Vocabulary, rowCount: Int
  ) throws(TinctureError) {
    self.merge = merge
    self.models = models
    self.output = output
    let empty = ContiguousArray(repeating: RowMap.code(.meanOfAll), count: rowCount)
    codes = Array(repeating: empty, count: merge.models.count)

    let ruled = Set(merge.rules.lazy.filter { $0.origin != nil }.map { ExactString($0.token) })
    var ownRows: [Int?] = Array(repeating: nil, count: codes.count)
    var unknown: [ExactString] = []
    for entry in output.entries {
      var present = 0
      for model in codes.indices {
        ownRows[model] = models.row(of: entry.token, in: model)
        if ownRows[model] != nil { present += 1 }
      }
      var code = RowMap.code(.zero)
      if present > 0, present < codes.count {
        code = RowMap.code(defaultSource(ownRows, present))
      } else if present == 0, !ruled.contains(entry.token) {
        unknown.append(entry.token)
      }
      for model in codes.indices { codes[model][entry.id] = ownRows[model].map(Int32.init) ?? code }
    }
    if !unknown.isEmpty {
      notes.append("Tokens of the output that no model has get zeros: \(unknown.summary).")
    }
  }

  /// The source for models that do not have a token that `present` models have.
  private mutating func defaultSource(_ rows: [Int?], _ present: Int) -> RowDonors.Source {
    if present > 1, let base = merge.base, let row = rows[base] {
      return donors.append(CollectionOfOne(RowMap.Donor(model: base, row: row)))
    }
    return donors.append(
      rows.indices.lazy.compactMap { model in
        rows[model].map { RowMap.Donor(model: model, row: $0) }
      })
  }

  /// Changes the rows of the tokens that have rules.
  ///
  /// - Throws: `recipe` when a rule names a token or a row that its model does not have.
  mutating func applyRules() throws(TinctureError) {
    for rule in merge.rules {
      let token = ExactString(rule.token)
      guard let id = output[token], rule.origin != nil || rule.isForced else { continue }
      let ownRows = codes.indices.map { models.row(of: token, in: $0) }
      let source: RowDonors.Source
      switch rule.origin {
      case .zero: source = .zero
      case .model(let model): source = try self.source(token, of: model, for: token)
      case .modelToken(let model, let other):
        source = try self.source(ExactString(other), of: model, for: token)
      case .modelRow(let model, let row):
        guard row >= 0, row < models.rowCounts[model] else {
          throw TinctureError(
            .recipe,
            "The rule for the token \(token.quoted) takes row \(row), but the embedding has "
              + "\(models.rowCounts[model]) rows.", at: .init(model: models.names[model]))
        }
        source = donors.append(CollectionOfOne(RowMap.Donor(model: model, row: row)))
      case nil:
        let present = ownRows.count { $0 != nil }
        source = present == 0 ? .zero : defaultSource(ownRows, present)
      }
      for model in codes.indices where rule.isForced || ownRows[model] == nil {
        codes[model][id] = RowMap.code(source)
      }
    }
  }

  private mutating func source(_ token: ExactString, of model: Int, for ruled: ExactString)
    throws(TinctureError) -> RowDonors.Source
  {
    guard let row = models.row(of: token, in: model) else {
      throw TinctureError(
        .recipe,
        "The rule for the token \(ruled.quoted) takes the row of \(token.quoted), which this model "
          + "does not have.", at: .init(model: models.names[model]))
    }
    return donors.append(CollectionOfOne(RowMap.Donor(model: model, row: row)))
  }

  /// The finished maps, one for each model.
  func maps() -> [RowMap] {
    codes.indices.map { RowMap(codes: codes[$0], donors: donors, model: $0) }
  }
}
