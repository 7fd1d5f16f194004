internal import TinctureCheckpoints
internal import TinctureTensors

extension Planner {
  /// What stands for a model that is a LoRA adapter: the recipe's base with the adapter folded in.
  ///
  /// Merging factors as if they were weights would give something else than the merged changes, so
  /// only methods that say so get them.
  ///
  /// - Parameters:
  ///   - model: The model as the recipe names it.
  ///   - recipe: The recipe.
  ///   - method: The method.
  ///   - notes: Receives a remark.
  ///   - open: Opens another model.
  /// - Returns: The model itself unless it is an adapter.
  /// - Throws: `checkpoint` for an adapter without a base.
  static func folded(
    _ model: ModelInput, _ recipe: Recipe, _ method: MethodInfo, _ notes: inout [String],
    open: (ModelReference) throws(TinctureError) -> ModelInput
  ) throws(TinctureError) -> ModelInput {
    guard !method.takesAdapters, model.reference.expert == nil, model.reference.adapters.isEmpty,
      LowRankAdapter.isAdapter(model.checkpoint)
    else { return model }
    let advice = """
      `tincture lora combine --mode cat` makes an adapter of the weighted sum of adapters, exactly \
      and without a dense weight.
      """
    guard let base = recipe.base?.reference, base != model.reference, base.adapters.isEmpty else {
      throw TinctureError(
        .checkpoint,
        "This is a LoRA adapter, no model. Write BASE+ADAPTER for the model that it makes. "
          + advice,
        at: .init(model: model.name))
    }
    var reference = base
    reference.adapters = [.init(path: model.reference.path, revision: model.reference.revision)]
    if ["linear", "task_arithmetic"].contains(method.name), !notes.contains(advice) {
      notes.append(advice)
    }
    notes.append("\(model.name) is a LoRA adapter and is folded into \(base) while it is read.")
    return try open(reference)
  }
}
