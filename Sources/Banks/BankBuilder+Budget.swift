internal import TinctureTensors

extension BankBuilder {
  /// Chooses widths within the budget, if there is one, and gives the codec what was chosen.
  ///
  /// - Parameters:
  ///   - experts: The experts by name.
  ///   - base: The base.
  ///   - manifest: The manifest without records.
  /// - Returns: The widths of tensors; none without a budget.
  /// - Throws: `usage` when the codec has no widths or the budget is too small, or what reading throws.
  mutating func allocate(
    _ experts: [(name: String, model: any BankModel)], base: any BankModel,
    _ manifest: BankManifest
  ) async throws(TinctureError) -> [String: TensorWidths] {
    guard let budget else { return [:] }
    guard codec.hasCodes else {
      throw TinctureError(
        .usage,
        "Codec \(codec.kind.rawValue) has no widths that a budget could spread; choose affine, tvq or"
          + " rtvq.")
    }
    let names = Self.names(experts, base)
    var tables: [WidthTable] = []
    let (start, check, observer) = (codec, check, observer)
    try await inOrder(names.count, workers: max(1, workers)) { (number) throws(TinctureError) in
      try Self.encoding(names[number], start, nil, experts, base, nil) {
        (encoder, sources) throws(TinctureError) in try encoder.widthTable(sources)
      }
    } take: { (number, table) throws(TinctureError) in
      try check()
      tables.append(table)
      observer?(.passed(bytes: try Self.byteCount(of: names[number], in: experts.map(\.model))))
    }
    var listed = manifest
    listed.experts = experts.map {
      .init(name: $0.name, source: $0.model.location, codec: start)
    }
    let widths = try BitAllocation.widths(
      tables, budget, extra: DescriptionSize.bound(listed), from: TensorWidths(codec))
    remember(widths.values.filter { !$0.experts.isEmpty || budget.scope == .bank }, budget)
    return widths
  }

  /// The typical widths stand in the description, and are those of experts that are added later.
  private mutating func remember(_ widths: [TensorWidths], _ budget: BitBudget) {
    codec.varies = budget.scope == .tensor
    let own = widths.flatMap { $0.experts.isEmpty ? [$0.own] : Array($0.experts.values) }
    guard !own.isEmpty else { return }
    func mean(_ values: [Int]) -> Int { (values.reduce(0, +) + values.count / 2) / values.count }
    codec.bits = mean(own)
    if codec.kind == .rtvq { codec.baseBits = max(1, mean(widths.map(\.shared))) }
  }
}
