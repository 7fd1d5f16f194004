public import TinctureJSON
public import TinctureTensors

extension DenseNetwork {
  /// Reads a configuration.
  ///
  /// It has `model_type` `dense`, `backbone` (as for ``ResNet``), `pyramid_width` (256 when absent), and
  /// `tasks`, an object from names to `{"kind": "segmentation", "classes": 13}`, `{"kind": "depth"}` or
  /// `{"kind": "normals"}`. The backbone stands in the module `backbone`.
  ///
  /// - Parameter configuration: The contents of `config.json`.
  /// - Throws: `checkpoint` that names a setting which is missing, malformed or not supported.
  public init(configuration: JSONValue) throws(TinctureError) {
    let settings = try ConfigurationReader(configuration)
    guard try settings.text("model_type") == "dense" else {
      throw settings.refusal("model_type", "must be dense")
    }
    guard let backbone = settings.value("backbone") else {
      throw settings.refusal("backbone", "is needed")
    }
    guard let section = try settings.section("tasks"), !section.keys.isEmpty else {
      throw settings.refusal("tasks", "must name the tasks")
    }
    var tasks: [DenseTask] = []
    for name in section.keys {
      guard let task = try section.section(name), !name.isEmpty else { continue }
      let kind: DenseTask.Kind
      switch try task.text("kind") {
      case "segmentation": kind = .segmentation(classes: try task.count("classes"))
      case "depth": kind = .depth
      case "normals": kind = .normals
      default: throw task.refusal("kind", "must be segmentation, depth or normals")
      }
      tasks.append(DenseTask(name, kind))
    }
    self.init(
      try ResNet(configuration: backbone),
      pyramidWidth: try settings.count("pyramid_width", or: 256), tasks: tasks)
    self.backbone.root = "backbone"
  }
}
