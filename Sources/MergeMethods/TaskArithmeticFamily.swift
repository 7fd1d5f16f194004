internal import TinctureMerging

extension SparsifiedArithmetic {
  /// Task arithmetic: the plain weighted sum of task vectors.
  ///
  /// Source: Ilharco et al., arXiv:2212.04089.
  public static let taskArithmetic = SparsifiedArithmetic(
    "task_arithmetic", title: "Task arithmetic",
    summary: "Adds weighted task vectors to the base; negative weights remove a task.",
    formula: "θ = θ₀ + λ Σ wᵢ τᵢ",
    source: "Ilharco et al. 2023, Editing models with task arithmetic",
    link: "https://arxiv.org/abs/2212.04089", sparsifier: .none, elects: false, normalizes: false,
    presets: [
      .init(
        "fusion_bench", [("weight", .number(1)), ("lambda", .number(0.3))], "FusionBench's scale."),
      .init(
        "paper", [("weight", .number(1)), ("lambda", .number(0.3))], "The scale for eight tasks."),
      .init("negation", [("weight", .number(-1))], "Subtracts the task vectors to unlearn."),
    ])

  /// TIES: trim, elect signs, add what agrees.
  ///
  /// Source: Yadav et al., arXiv:2306.01708.
  public static let ties = SparsifiedArithmetic(
    "ties", aliases: ["ties_merging"], title: "TIES",
    summary: "Keeps the largest elements of each task vector and adds those that agree in sign.",
    formula:
      "vᵢ = top(τᵢ, density);  γ = sign Σ wᵢ vᵢ;  θ = θ₀ + λ Σ wᵢ vᵢ [sign = γ] / Σ wᵢ [sign = γ]",
    source: "Yadav et al. 2023, TIES-Merging", link: "https://arxiv.org/abs/2306.01708",
    sparsifier: .magnitude, elects: true, normalizes: true,
    presets: [
      .init(
        "paper",
        [
          ("weight", .number(1)), ("density", .number(0.2)), ("trim", .text("global")),
          ("selection", .text("threshold")), ("zero_sign", .text("majority")),
        ], "The authors' code: global trimming to 20 %, mean of what agrees."),
      .init(
        "fusion_bench",
        [
          ("weight", .number(1)), ("density", .number(0.2)), ("trim", .text("global")),
          ("selection", .text("threshold")), ("zero_sign", .text("majority")),
          ("normalize", .bool(false)), ("lambda", .number(0.3)),
        ], "FusionBench: global trimming to 20 %, the sum of what agrees, scaled by 0.3."),
    ])

  /// DARE with a plain sum: drop elements at random, rescale the rest.
  ///
  /// Source: Yu et al., arXiv:2311.03099.
  public static let dareLinear = SparsifiedArithmetic(
    "dare_linear", title: "DARE",
    summary: "Drops elements of each task vector at random and rescales.",
    formula: "vᵢ = τᵢ mᵢ s with mᵢ ~ Bernoulli(density);  θ = θ₀ + λ Σ wᵢ vᵢ",
    source: "Yu et al. 2024, Language Models are Super Mario",
    link: "https://arxiv.org/abs/2311.03099", sparsifier: .random, elects: false,
    normalizes: false, rescales: true, presets: darePresets(scale: 0.3))

  /// DARE followed by the election of TIES.
  ///
  /// Source: Yu et al., arXiv:2311.03099.
  public static let dareTies = SparsifiedArithmetic(
    "dare_ties", title: "DARE with TIES",
    summary: "Drops elements at random, rescales, and adds those that agree in sign.",
    formula: "vᵢ = τᵢ mᵢ s;  γ = sign Σ wᵢ vᵢ;  θ = θ₀ + λ Σ wᵢ vᵢ [sign = γ]",
    source: "Yu et al. 2024, Language Models are Super Mario",
    link: "https://arxiv.org/abs/2311.03099", sparsifier: .random, elects: true,
    normalizes: false, rescales: true, presets: darePresets(scale: 0.5))

  /// DELLA: drop by magnitude rank, elect signs.
  ///
  /// Source: Deep et al., arXiv:2406.11617.
  public static let della = SparsifiedArithmetic(
    "della", title: "DELLA",
    summary: "Drops elements at random, small ones more often, and adds those that agree in sign.",
    formula: "p = density − ε + 2 ε rank/(n − 1) in each row;  then as TIES",
    source: "Deep et al. 2024, DELLA-Merging", link: "https://arxiv.org/abs/2406.11617",
    sparsifier: .rank, elects: true, normalizes: true, rescales: true, presets: [dellaPaper])

  /// DELLA with a plain sum.
  ///
  /// Source: Deep et al., arXiv:2406.11617.
  public static let dellaLinear = SparsifiedArithmetic(
    "della_linear", title: "DELLA, linear",
    summary: "Drops elements at random, small ones more often, and adds the rest.",
    formula: "p = density − ε + 2 ε rank/(n − 1) in each row;  θ = θ₀ + λ Σ wᵢ vᵢ",
    source: "Deep et al. 2024, DELLA-Merging", link: "https://arxiv.org/abs/2406.11617",
    sparsifier: .rank, elects: false, normalizes: false, rescales: true, presets: [dellaPaper])

  /// Model breadcrumbs: remove the largest and the smallest.
  ///
  /// Source: Davari and Belilovsky, arXiv:2312.06795.
  public static let breadcrumbs = SparsifiedArithmetic(
    "breadcrumbs", title: "Model breadcrumbs",
    summary: "Removes the largest and the smallest elements of each task vector and adds the rest.",
    formula: "vᵢ = τᵢ without its γ largest and all but density smaller;  θ = θ₀ + λ Σ wᵢ vᵢ",
    source: "Davari and Belilovsky 2023, Model Breadcrumbs",
    link: "https://arxiv.org/abs/2312.06795", sparsifier: .outliers, elects: false,
    normalizes: false, presets: [breadcrumbsPaper])

  /// Breadcrumbs followed by the election of TIES.
  ///
  /// Source: arXiv:2312.06795 and arXiv:2306.01708.
  public static let breadcrumbsTies = SparsifiedArithmetic(
    "breadcrumbs_ties", title: "Model breadcrumbs with TIES",
    summary: "Removes the largest and the smallest elements and adds those that agree in sign.",
    formula: "vᵢ as in breadcrumbs;  γ = sign Σ wᵢ vᵢ;  θ = θ₀ + λ Σ wᵢ vᵢ [sign = γ]",
    source: "Davari and Belilovsky 2023, Model Breadcrumbs",
    link: "https://arxiv.org/abs/2312.06795", sparsifier: .outliers, elects: true,
    normalizes: false, presets: [breadcrumbsPaper])

  private static func darePresets(scale: Double) -> [MethodInfo.Preset] {
    [
      .init(
        "paper",
        [("weight", .number(1)), ("density", .number(0.9)), ("rescale_rule", .text("density"))],
        "Drops a tenth and divides by the chance to stay."),
      .init(
        "fusion_bench",
        [
          ("weight", .number(1)), ("density", .number(0.5)), ("rescale_rule", .text("density")),
          ("lambda", .number(scale)),
        ], "FusionBench: drops half, divides by the chance to stay."),
    ]
  }

  private static var dellaPaper: MethodInfo.Preset {
    .init(
      "paper",
      [
        ("weight", .number(1)), ("density", .number(0.7)), ("epsilon", .number(0.07)),
        ("rescale_rule", .text("density")), ("lambda", .number(1.1)),
      ], "The authors' example: divides each element by its own chance to stay.")
  }

  private static var breadcrumbsPaper: MethodInfo.Preset {
    .init(
      "paper",
      [
        ("weight", .number(1)), ("band", .text("row")), ("gamma", .number(0.006)),
        ("density", .number(0.15)), ("lambda", .number(0.2)),
      ], "The authors' code: bands of rows, one scale.")
  }
}
