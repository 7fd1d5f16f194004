import Foundation
import Testing
import TinctureMetrics
import TinctureTensors

@Suite("Correlations, likelihoods, depths and directions")
struct NumberTests {
  @Test("Correlations are SciPy's", arguments: References.all.correlations)
  func correlations(_ reference: References.Correlation) throws {
    var pearson = PearsonCorrelation()
    var spearman = SpearmanCorrelation()
    for (x, y) in zip(reference.predicted, reference.actual) {
      try pearson.add(.numbers(predicted: [x], actual: [y]))
      try spearman.add(.numbers(predicted: [x], actual: [y]))
    }
    // SciPy itself loses digits to the large offset.
    #expect(agree(pearson.value, reference.pearson, within: 1e-9))
    #expect(agree(spearman.value, reference.spearman))
  }

  @Test("A correlation of constants, of one example or of NaN is undefined")
  func undefined() throws {
    for (x, y) in [([1.0, 1], [1.0, 2]), ([1], [1]), ([1, 2, .nan], [1, 2, 3])] {
      for metric: any Metric in [PearsonCorrelation(), SpearmanCorrelation()] {
        var metric = metric
        try metric.add(.numbers(predicted: x, actual: y))
        #expect(metric.value == nil)
      }
    }
    var metric = PearsonCorrelation()
    #expect(throws: TinctureError.self) { try metric.add(.numbers(predicted: [1], actual: [])) }
  }

  @Test("Perplexity is that of all tokens together")
  func perplexity() throws {
    var metric = Perplexity()
    try metric.add(.likelihood(negativeLogLikelihood: 10 * log(8.0), tokenCount: 10))
    #expect(agree(metric.value, 8))
    try metric.add(.likelihood(negativeLogLikelihood: 30 * log(2.0), tokenCount: 30))
    #expect(agree(metric.value, exp(60 * log(2.0) / 40)))
    #expect(throws: TinctureError.self) {
      try metric.add(.likelihood(negativeLogLikelihood: 1, tokenCount: -1))
    }
  }

  @Test("Depth errors leave invalid pixels out")
  func depth() throws {
    let maps = References.all.maps
    let batch = Observations.depths(predicted: maps.predictedDepth, actual: maps.depth)
    var absolute = DepthError(.absolute)
    var relative = DepthError(.relative)
    try absolute.add(batch)
    try relative.add(batch)
    #expect(agree(absolute.value, maps.absolute))
    #expect(agree(relative.value, maps.relative))
    var masked = DepthError(.absolute)
    try masked.add(.depths(predicted: [1, 5], actual: [2, 1], valid: [true, false]))
    #expect(masked.value == 1)
    #expect(throws: TinctureError.self) {
      try masked.add(.depths(predicted: [1], actual: [1], valid: []))
    }
  }

  @Test("Angles of normals: mean, median and shares")
  func normals() throws {
    let maps = References.all.maps
    var metric = NormalError()
    let middle = 3 * 100
    for range in [0..<middle, middle..<maps.normals.count] {
      try metric.add(
        .directions(
          predicted: Array(maps.predictedNormals[range]), actual: Array(maps.normals[range])))
    }
    let values = [metric.value(of: .mean), metric.value(of: .median)]
    #expect(agree(values[0], maps.angles[0]))
    #expect(agree(values[1], maps.angles[1], within: 0.0004))
    #expect(agree(metric.value(of: .within11), maps.angles[2]))
    #expect(agree(metric.value(of: .within22), maps.angles[3]))
    #expect(agree(metric.value(of: .within30), maps.angles[4]))
    #expect(metric.details.map(\.name).contains("normal_30"))
  }

  @Test("Directions that point nowhere, backwards or are not numbers")
  func directions() throws {
    var metric = NormalError()
    try metric.add(
      .directions(predicted: [0, 0, 0, 0, 0, -2], actual: [0, 0, 1, 0, 0, 1], valid: nil))
    #expect(agree(metric.value, 135))
    try metric.add(.directions(predicted: [1, 0, 0], actual: [0, 0, 0], valid: [true]))
    #expect(metric.count == 2)
    for batch in [
      Observations.directions(predicted: [1, 0, 0, .nan, 0, 0], actual: [1, 0, 0, 1, 0, 0]),
      .directions(predicted: [1, 0], actual: [1, 0]),
      .directions(predicted: [1, 0, 0], actual: [1, 0, 0], valid: []),
    ] {
      #expect(throws: TinctureError.self) { try metric.add(batch) }
    }
    #expect(metric.count == 2)
  }
}
