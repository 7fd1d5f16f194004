internal import SystemPackage
internal import TinctureCheckpoints
internal import TinctureMerging
internal import TinctureMetrics
public import TinctureNetworks
internal import TinctureTensors

/// In place of a network: outputs that another program has computed.
///
/// A model is then a folder with a file `TASK.json` of results for each task, or one such file where a
/// suite has one task. Objects with boxes or masks in COCO's form are measured.
public struct PredictedOutputs: Network, Hashable {
  /// None.
  public var parameterShapes: [ParameterShape] { [] }

  /// Creates the mark.
  public init() {}

  /// The images of a task.
  static func images(_ context: TaskContext) throws(TinctureError) -> CocoObjects {
    try context.requireMetric([.boxes, .masks])
    return try CocoObjects(
      annotations: context.suite.path(context.task.data.file),
      context.metric.needs == .boxes ? .boxes : .masks)
  }

  /// Measures the results of a model.
  static func observations(
    of model: ModelReference, _ context: TaskContext
  ) throws(TinctureError) -> (Observations, count: Int) {
    let images = try images(context)
    let given = FilePath(model.localPath)
    let path = FileKind(of: given) == .missing ? context.suite.path(model.localPath) : given
    let isFolder = FileKind(of: path) == .directory
    guard isFolder || context.suite.tasks.count == 1 else {
      throw TinctureError(
        .missingInput,
        "With several tasks a model is a folder with a file of results for each:"
          + " \(context.task.name).json.", at: .init(file: path.string))
    }
    let file = isFolder ? path.appending(context.task.name + ".json") : path
    let count = min(images.count, context.exampleLimit ?? images.count)
    let found = try images.found(in: file)
    return (
      .objects(
        predicted: Array(found.prefix(count)), actual: Array(images.annotated.prefix(count))), count
    )
  }
}
