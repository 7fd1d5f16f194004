import Testing
import TinctureMetrics
import TinctureTensors

@Suite("Classification")
struct ClassificationTests {
  /// The value after adding labels in batches of some size.
  static func value(
    _ metric: some Metric, _ labels: References.Labels, batch: Int
  ) throws -> Double? {
    var metric = metric
    var start = 0
    while start < labels.actual.count {
      let end = min(labels.actual.count, start + batch)
      try metric.add(
        .labels(
          predicted: Array(labels.predicted[start..<end]), actual: Array(labels.actual[start..<end])
        ))
      start = end
    }
    return metric.value
  }

  @Test(
    "Figures are scikit-learn's, whatever the batches", arguments: References.all.labels,
    [1, 7, 1000])
  func labels(_ labels: References.Labels, batch: Int) throws {
    func check(_ metric: some Metric, _ expected: Double) throws {
      let value = try Self.value(metric, labels, batch: batch)
      #expect(agree(value, expected), "\(metric.info.name): \(value ?? .nan), not \(expected)")
    }
    try check(Accuracy(), labels.accuracy)
    try check(MatthewsCorrelation(), labels.matthews)
    try check(FScore(.macro), labels.macro)
    try check(FScore(.micro), labels.micro)
    try check(FScore(.weighted), labels.weighted)
    try check(FScore(.binary(positive: 1)), labels.binary)
    try check(SegmentationScore(.meanIntersectionOverUnion), labels.miou)
    try check(SegmentationScore(.pixelAccuracy), labels.accuracy)
  }

  @Test("Top-k accuracy is scikit-learn's", arguments: 1...6)
  func top(k: Int) throws {
    let reference = References.all.scores
    var metric = Accuracy(top: k)
    try metric.add(
      .scores(reference.scores, classCount: reference.classCount, actual: reference.actual))
    #expect(agree(metric.value, reference.top[k - 1]))
  }

  @Test("Equal scores rank by class, and a score that is not a number ranks last")
  func ties() throws {
    var first = Accuracy()
    try first.add(.scores([1, 1, .nan, 0], classCount: 2, actual: [0, 1]))
    #expect(first.value == 1)
    var second = Accuracy(top: 2)
    try second.add(.scores([1, 1, 1, .nan, 0, 1], classCount: 3, actual: [2, 0]))
    #expect(second.value == 0)
  }

  @Test("An ignored label leaves no trace, a prediction of it does")
  func ignored() throws {
    var score = try SegmentationScore(.pixelAccuracy, classCount: 3, ignoring: 255)
    try score.add(.labels(predicted: [0, 1, 2, 900], actual: [0, 1, 0, 255]))
    #expect(agree(score.value, 2.0 / 3))
    let error = #expect(throws: TinctureError.self) {
      try score.add(.labels(predicted: [255], actual: [0]))
    }
    #expect(error?.message.contains("predicted label 255") == true)
    #expect(score.matrix.total == 3)
  }

  @Test("A class that is absent from labels and predictions is left out of mIoU")
  func absent() throws {
    var score = try SegmentationScore(classCount: 5)
    try score.add(.labels(predicted: [0, 0, 4, 4], actual: [0, 4, 4, 4]))
    #expect(agree(score.value, (1.0 / 2 + 2.0 / 3) / 2))
    #expect(score.intersectionsOverUnions[1] == nil)
  }

  @Test("Nothing was measured before the first example")
  func empty() throws {
    for info in MetricRegistry.all {
      let metric = try MetricRegistry.metric(named: info.name)
      #expect(metric.value == nil)
      #expect(metric.details.first?.name == metric.info.name)
    }
  }

  @Test("Counts that differ and labels out of range are refused and change nothing")
  func refused() throws {
    for metric: any Metric in [Accuracy(), FScore(.macro), MatthewsCorrelation()] {
      var metric = metric
      try metric.add(.labels(predicted: [1, 0], actual: [1, 1]))
      let before = metric.value
      for batch in [
        Observations.labels(predicted: [1], actual: [1, 0]),
        .scores([1, 2, 3], classCount: 2, actual: [1, 0]),
        .scores([], classCount: 0, actual: [1]),
        .numbers(predicted: [1], actual: [1]),
        .scores([1], classCount: .max, actual: [1, 2, 3]),
      ] {
        let error = #expect(throws: TinctureError.self) { try metric.add(batch) }
        #expect(error?.code == .data)
      }
      #expect(metric.value == before)
    }
    var matrix = try ConfusionMatrix()
    #expect(throws: TinctureError.self) { try matrix.add(predicted: [0], actual: [-100]) }
    #expect(throws: TinctureError.self) { try matrix.add(predicted: [1 << 40], actual: [0]) }
    #expect(throws: TinctureError.self) { try ConfusionMatrix(classCount: 1 << 20) }
    #expect(matrix.classCount == 0)
    var top = Accuracy(top: 2)
    #expect(throws: TinctureError.self) {
      try top.add(.scores([1, 2, 3], classCount: 3, actual: [3]))
    }
  }

  @Test("Names find metrics, with their direction")
  func registry() throws {
    #expect(try MetricRegistry.metric(named: "Depth-Abs").info.direction == .lower)
    #expect(
      try MetricRegistry.metric(named: "top_k_accuracy", settings: .init(k: 3)).info.name
        == "top_3_accuracy")
    #expect(Set(MetricRegistry.names).count == MetricRegistry.all.count)
    #expect(MetricRegistry.all.map(\.name) == MetricRegistry.names)
    #expect(MetricRegistry.all.allSatisfy { !$0.formula.isEmpty && !$0.title.isEmpty })
    let error = #expect(throws: TinctureError.self) {
      try MetricRegistry.metric(named: "acuracy")
    }
    #expect(error?.message.contains("accuracy, top_k_accuracy") == true)
    #expect(throws: TinctureError.self) {
      try MetricRegistry.metric(named: "accuracy", settings: .init(k: 0))
    }
    let loss = try MetricRegistry.metric(named: "perplexity").info
    #expect(loss.isBetter(1, than: 2))
  }
}
