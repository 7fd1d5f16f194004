// swift-tools-version: 6.2
import PackageDescription

let settings: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
  .enableExperimentalFeature("Lifetimes"),
]

let yams: Target.Dependency = .product(name: "Yams", package: "Yams")
let system: Target.Dependency = .product(name: "SystemPackage", package: "swift-system")
let crypto: Target.Dependency = .product(name: "Crypto", package: "swift-crypto")
let argumentParser: Target.Dependency = .product(
  name: "ArgumentParser", package: "swift-argument-parser")

/// The modules that `Tincture` re-exports.
///
/// Clients inside the package list them, too: a change behind a re-export alone does not rebuild them.
let library: [Target.Dependency] = [
  "TinctureTensors", "TinctureJSON", "TinctureSafetensors", "TinctureLinearAlgebra",
  "TinctureCheckpoints", "TinctureBanks", "TinctureMerging", "TinctureMergeMethods",
  "TinctureAdapters",
  "TinctureRecipes", "TinctureTorch", "TinctureMetrics", "TinctureData",
  "TinctureNetworks", "TinctureEvaluation", "TinctureFitting", "TinctureLearnedMethods",
  "TinctureTraining",
]

/// A library module: its name carries the brand, its folder does not.
func module(_ folder: String, _ dependencies: [Target.Dependency]) -> Target {
  .target(
    name: "Tincture" + folder, dependencies: dependencies, path: "Sources/" + folder,
    swiftSettings: settings)
}

/// The tests of one module.
func tests(_ folder: String, _ dependencies: [Target.Dependency], resources: [Resource] = [])
  -> Target
{
  .testTarget(
    name: folder + "Tests", dependencies: dependencies, path: "Tests/" + folder + "Tests",
    resources: resources, swiftSettings: settings)
}

let package = Package(
  name: "tincture",
  platforms: [.macOS(.v15)],
  products: [
    .library(name: "Tincture", targets: ["Tincture"]),
    .library(name: "TinctureSafetensors", targets: ["TinctureSafetensors"]),
    .library(name: "TinctureLinearAlgebra", targets: ["TinctureLinearAlgebra"]),
    .library(name: "TinctureTorch", targets: ["TinctureTorch"]),
    .library(name: "MergeTesting", targets: ["TinctureMergeTesting"]),
    .executable(name: "tincture", targets: ["TinctureTool"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
    .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
  ],
  targets: [
    .target(name: "CTinctureKernels", path: "Sources/CKernels"),
    module("Tensors", ["CTinctureKernels"]),
    module("JSON", ["TinctureTensors"]),
    module("Safetensors", ["TinctureTensors", "TinctureJSON", system]),
    module("LinearAlgebra", ["TinctureTensors"]),
    module("Checkpoints", ["TinctureTensors", "TinctureJSON", "TinctureSafetensors", system]),
    module(
      "Banks",
      [
        "TinctureTensors", "TinctureJSON", "TinctureSafetensors", "TinctureCheckpoints",
        "TinctureLinearAlgebra", crypto, system,
      ]),
    module(
      "Merging",
      [
        "TinctureTensors", "TinctureJSON", "TinctureSafetensors", "TinctureCheckpoints",
        "TinctureBanks", system,
      ]),
    module(
      "MergeMethods",
      [
        "TinctureTensors", "TinctureJSON", "TinctureSafetensors", "TinctureCheckpoints",
        "TinctureBanks", "TinctureLinearAlgebra", "TinctureMerging", system,
      ]),
    module(
      "MergeTesting",
      [
        "TinctureTensors", "TinctureSafetensors", "TinctureCheckpoints", "TinctureMerging", system,
      ]),
    module(
      "Adapters",
      [
        "TinctureTensors", "TinctureJSON", "TinctureSafetensors", "TinctureLinearAlgebra",
        "TinctureCheckpoints", "TinctureBanks", "TinctureMerging", system,
      ]),
    module("Recipes", ["TinctureTensors", "TinctureMerging", yams]),
    module("Reports", []),
    module("Torch", ["TinctureTensors"]),
    module("Metrics", ["TinctureTensors"]),
    module(
      "Data",
      [
        "TinctureTensors", "TinctureJSON", "TinctureSafetensors", "TinctureCheckpoints", system,
      ]),
    module(
      "Networks",
      [
        "TinctureTensors", "TinctureJSON", "TinctureSafetensors", "TinctureCheckpoints",
        "TinctureTorch", system,
      ]),
    module(
      "Evaluation",
      [
        "TinctureTensors", "TinctureJSON", "TinctureSafetensors", "TinctureCheckpoints",
        "TinctureBanks", "TinctureMerging", "TinctureRecipes", "TinctureTorch", "TinctureNetworks",
        "TinctureMetrics", "TinctureData", crypto, system,
      ]),
    module(
      "Fitting",
      [
        "TinctureTensors", "TinctureJSON", "TinctureSafetensors", "TinctureLinearAlgebra",
        "TinctureCheckpoints", "TinctureMerging", "TinctureReports", "TinctureTorch",
        "TinctureNetworks", "TinctureData", "TinctureMetrics", "TinctureEvaluation", system,
      ]),
    module(
      "LearnedMethods",
      [
        "TinctureTensors", "TinctureLinearAlgebra", "TinctureCheckpoints", "TinctureMerging",
        "TinctureMergeMethods", "TinctureFitting", "TinctureEvaluation", "TinctureMetrics",
        "TinctureNetworks", "TinctureTorch", system,
      ]),
    module(
      "Training",
      [
        "TinctureTensors", "TinctureJSON", "TinctureSafetensors", "TinctureLinearAlgebra",
        "TinctureCheckpoints", "TinctureMerging", "TinctureReports", "TinctureRecipes",
        "TinctureTorch", "TinctureNetworks", "TinctureData", "TinctureMetrics",
        "TinctureEvaluation", "TinctureAdapters", system, yams,
      ]),
    .target(
      name: "Tincture", dependencies: library + [system], path: "Sources/Tincture",
      swiftSettings: settings),
    .executableTarget(
      name: "TinctureTool",
      dependencies: ["Tincture", "TinctureReports", system, argumentParser] + library,
      path: "Sources/Tool", swiftSettings: settings),
    tests("Tensors", ["TinctureTensors", "CTinctureKernels"]),
    tests("JSON", ["TinctureJSON", "TinctureTensors"]),
    tests(
      "LinearAlgebra", ["TinctureLinearAlgebra", "TinctureTensors"],
      resources: [.copy("Fixtures")]),
    tests(
      "Safetensors",
      [
        "TinctureSafetensors", "TinctureCheckpoints", "TinctureJSON", "TinctureTensors",
        "TinctureMergeTesting", system,
      ]),
    tests(
      "Checkpoints",
      ["TinctureCheckpoints", "TinctureSafetensors", "TinctureTensors", "TinctureJSON", system],
      resources: [.copy("Fixtures")]),
    tests(
      "Banks",
      [
        "TinctureBanks", "TinctureLinearAlgebra", "TinctureMerging", "TinctureMergeMethods",
        "TinctureMergeTesting",
        "TinctureCheckpoints", "TinctureSafetensors", "TinctureTensors", system,
      ],
      resources: [.copy("Fixtures")]),
    tests(
      "Merging",
      [
        "TinctureMerging", "TinctureMergeMethods", "TinctureMergeTesting", "TinctureCheckpoints",
        "TinctureSafetensors", "TinctureTensors", system,
      ]),
    tests(
      "MergeMethods",
      [
        "TinctureMergeMethods", "TinctureMerging", "TinctureMergeTesting", "TinctureCheckpoints",
        "TinctureSafetensors", "TinctureJSON", "TinctureLinearAlgebra", "TinctureTensors", system,
      ],
      resources: [.copy("Fixtures")]),
    tests(
      "Adapters",
      [
        "TinctureAdapters", "TinctureMerging", "TinctureMergeTesting", "TinctureCheckpoints",
        "TinctureSafetensors", "TinctureJSON", "TinctureLinearAlgebra", "TinctureTensors", system,
      ],
      resources: [.copy("Fixtures")]),
    tests(
      "Recipes", ["TinctureRecipes", "TinctureMerging", "TinctureTensors"],
      resources: [.copy("Fixtures")]),
    tests("Reports", ["TinctureReports"]),
    tests(
      "Torch",
      ["TinctureTorch", "TinctureTensors", "TinctureSafetensors", "TinctureJSON", system],
      resources: [.copy("Fixtures")]),
    tests(
      "Networks",
      [
        "TinctureNetworks", "TinctureTorch", "TinctureTensors", "TinctureSafetensors",
        "TinctureCheckpoints", "TinctureJSON", system,
      ], resources: [.copy("Fixtures")]),
    tests(
      "Metrics", ["TinctureMetrics", "TinctureTensors"], resources: [.copy("Fixtures")]),
    tests(
      "Data",
      [
        "TinctureData", "TinctureTensors", "TinctureSafetensors", "TinctureMergeTesting", system,
      ], resources: [.copy("Fixtures")]),
    tests(
      "Evaluation",
      [
        "TinctureEvaluation", "TinctureMetrics", "TinctureMerging", "TinctureNetworks",
        "TinctureTorch", "TinctureSafetensors", "TinctureTensors", system,
      ], resources: [.copy("Fixtures")]),
    tests(
      "Fitting",
      [
        "TinctureFitting", "TinctureEvaluation", "TinctureMerging", "TinctureCheckpoints",
        "TinctureNetworks", "TinctureSafetensors", "TinctureTorch", "TinctureMergeTesting",
        "TinctureLinearAlgebra", "TinctureTensors", system,
      ], resources: [.copy("Fixtures")]),
    tests(
      "LearnedMethods",
      [
        "TinctureLearnedMethods", "TinctureFitting", "TinctureEvaluation", "TinctureMerging",
        "TinctureCheckpoints", "TinctureSafetensors", "TinctureJSON", "TinctureTorch",
        "TinctureNetworks", "TinctureLinearAlgebra", "TinctureTensors", "Tincture", system,
      ]),
    tests(
      "Training",
      [
        "TinctureTraining", "TinctureEvaluation", "TinctureNetworks", "TinctureAdapters",
        "TinctureCheckpoints",
        "TinctureMerging", "TinctureMergeTesting", "TinctureSafetensors", "TinctureJSON",
        "TinctureTorch", "TinctureLinearAlgebra", "TinctureTensors", system,
      ], resources: [.copy("Fixtures")]),
    tests(
      "EndToEnd", ["TinctureTool", "Tincture", "TinctureTorch", "TinctureLinearAlgebra"],
      resources: [.copy("Fixtures")]),
  ]
)
