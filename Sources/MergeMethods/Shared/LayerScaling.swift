internal import TinctureMerging
internal import TinctureTensors

/// The scale of LiNeS: α before, behind and in the first layer, rising evenly to α + β in the last.
enum LayerScaling {
  /// The scale of a tensor: α + β l / (L − 1) in layer l of L, and α outside of layers.
  ///
  /// A stack of one layer gets α, where the published code divides by zero.
  static func factor(_ step: MergeStep, alpha: Double, beta: Double) -> Double {
    step.layer == nil ? alpha : alpha + beta * step.depth
  }

  /// Refuses models whose tensor names tell of no layers: they would be scaled by α alone.
  static func check(_ plan: MergePlan) throws(TinctureError) {
    guard plan.steps.contains(where: { $0.layer != nil }) else {
      throw TinctureError(
        .recipe,
        "lines scales tensors by the number of their layer, but no tensor's name tells of one; use scale"
          + " for one factor on everything.")
    }
  }
}
