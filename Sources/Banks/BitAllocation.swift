internal import TinctureTensors

/// Chooses widths for all tensors of a bank within its budget.
enum BitAllocation {
  /// Chooses the widths of tensors that have codes.
  ///
  /// - Parameters:
  ///   - tables: What each tensor takes and loses.
  ///   - budget: The budget.
  ///   - extra: Bytes of the file besides the tensors' own.
  ///   - start: The widths that the codec asks for, for tensors without a choice.
  /// - Returns: The widths by tensor.
  /// - Throws: `usage` when the smallest widths take more than the budget.
  /// - Complexity: O(c log c) in the number of choices.
  static func widths(
    _ tables: [WidthTable], _ budget: BitBudget, extra: Int, from start: TensorWidths
  ) throws(TinctureError) -> [String: TensorWidths] {
    let uniform = uniform(tables, budget, extra, start)
    guard budget.scope == .tensor else {
      guard let choice = uniform.choice else { throw tooSmall(budget, uniform.least) }
      return choice.widths
    }
    let own = try perTensor(tables, budget, extra, start)
    // Steps that no longer fit leave bytes over, so that one width for all may be the better choice.
    if let choice = uniform.choice, choice.error < own.error { return choice.widths }
    return own.widths
  }

  /// Widths by tensor and the squared error.
  private typealias Choice = (widths: [String: TensorWidths], error: Double)

  private static func uniform(
    _ tables: [WidthTable], _ budget: BitBudget, _ extra: Int, _ start: TensorWidths
  ) -> (choice: Choice?, least: Int) {
    let shared = tables.first { $0.shared.count > 1 }?.shared.keys.sorted() ?? [start.shared]
    var best: (widths: TensorWidths, error: Double)?
    var least = Int.max
    for width in shared {
      for bits in BitBudget.widths {
        var total = WidthTable.Cost(bytes: extra)
        for table in tables {
          let cost = table.cost(
            shared: table.shared.count > 1 ? width : table.shared.keys.first ?? width, own: bits)
          total.bytes += cost.bytes
          total.error += cost.error
        }
        least = min(least, total.bytes)
        guard total.bytes <= budget.bytes, total.error < best?.error ?? .infinity else {
          continue
        }
        var widths = start
        (widths.shared, widths.own) = (width, bits)
        best = (widths, total.error)
      }
    }
    guard let best else { return (nil, least) }
    let widths = Dictionary(uniqueKeysWithValues: tables.map { ($0.tensor, best.widths) })
    return ((widths, best.error), least)
  }

  private static func perTensor(
    _ tables: [WidthTable], _ budget: BitBudget, _ extra: Int, _ start: TensorWidths
  ) throws(TinctureError) -> Choice {
    let hulls = tables.map { $0.hull(start) }
    var left = budget.bytes - extra
    for hull in hulls { left -= hull.first?.cost.bytes ?? 0 }
    guard left >= 0 else { throw tooSmall(budget, budget.bytes - left) }
    // Along the hulls rates fall, so that taking all steps by falling rate takes each hull's in order.
    var steps: [(tensor: Int, choice: Int, rate: Double)] = []
    for (tensor, hull) in hulls.enumerated() {
      for choice in hull.indices.dropFirst() {
        steps.append((tensor, choice, WidthTable.rate(from: hull[choice - 1], to: hull[choice])))
      }
    }
    steps.sort { ($1.rate, $0.tensor, $0.choice) < ($0.rate, $1.tensor, $1.choice) }
    var chosen = hulls.map { _ in 0 }
    var isClosed = hulls.map { _ in false }
    for step in steps where !isClosed[step.tensor] {
      let hull = hulls[step.tensor]
      let further = hull[step.choice].cost.bytes - hull[chosen[step.tensor]].cost.bytes
      if further <= left {
        left -= further
        chosen[step.tensor] = step.choice
      } else {
        isClosed[step.tensor] = true
      }
    }
    var result: Choice = ([:], 0)
    for (index, hull) in hulls.enumerated() where !hull.isEmpty {
      result.widths[tables[index].tensor] = hull[chosen[index]].widths
      result.error += hull[chosen[index]].cost.error
    }
    return result
  }

  private static func tooSmall(_ budget: BitBudget, _ least: Int) -> TinctureError {
    TinctureError(
      .usage,
      "The bank takes at least \(least) bytes with \(BitBudget.widths.lowerBound) bits for each code,"
        + " more than the budget of \(budget.bytes). Allow more, or store fewer experts.")
  }
}
