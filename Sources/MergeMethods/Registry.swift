public import TinctureMerging

/// All methods, one line each.
///
/// Recipes, help screens, the conformance kit and the documentation pages are driven by this list.
public enum MethodRegistry {
  /// The methods in the order in which they are listed.
  public static let all: [any MergeMethod] = [
    Linear(),
    Slerp(),
    NuSlerp(),
    MultiSlerp(),
    Karcher(),
    SparsifiedArithmetic.taskArithmetic,
    SparsifiedArithmetic.ties,
    SparsifiedArithmetic.dareLinear,
    SparsifiedArithmetic.dareTies,
    SparsifiedArithmetic.della,
    SparsifiedArithmetic.dellaLinear,
    SparsifiedArithmetic.breadcrumbs,
    SparsifiedArithmetic.breadcrumbsTies,
    Lines(),
    Sce(),
    MagMax(),
    Pcb(),
    Consensus(),
    TallMasks(),
    Emr(),
    Widen(),
    FlexMerge(),
    ModelStock(),
    IsoC(),
    IsoCts(),
    TsvM(),
    Resm(),
    Esm(),
    EsmPlusPlus(),
    Opcm(),
    Dop(),
    Svc(),
    Cart(),
    Knots(),
    CoreSpace(),
    Smile(),
    RobustMerge(),
    Wudi(),
    OptMerge(),
    Doge(),
    Awd(),
    Fisher(),
    Ota(),
    RegMean.regMean,
    RegMean.plusPlus,
    Lot(),
    Nearswap(),
    ArceeFusion(),
    Ram(),
    RamPlus(),
    WiseFT(),
    DeltaGuided(),
    Mwa(),
    HalfReset(),
    GreedySoup(),
    Passthrough(),
    MergeLock(),
  ]

  /// The method of a name or alias; upper and lower case and hyphens do not matter.
  public static func method(named name: String) -> (any MergeMethod)? {
    let wanted = name.lowercased().replacing("-", with: "_")
    return all.first { $0.info.name == wanted || $0.info.aliases.contains(wanted) }
  }
}
