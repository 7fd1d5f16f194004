import TinctureTensors
import TinctureTorch

extension OperatorCase {
  static let shapes = [
    OperatorCase("transpose", by: [0]) { try $0[0].transposed() },
    OperatorCase("permute", by: [0]) { try $0[0].permuted(2, 0, 1) },
    OperatorCase("reshape", by: [0]) { try $0[0].reshaped([4, -1]) },
    OperatorCase("flatten", by: [0]) { try $0[0].flattened(from: 1) },
    OperatorCase("unsqueeze", by: [0]) { try $0[0].unsqueezed(at: 1) },
    OperatorCase("squeeze", by: [0]) { try $0[0].squeezed(at: 1) },
    OperatorCase("expand", by: [0]) { try $0[0].expanded([2, -1, 4]) },
    OperatorCase("slice", by: [0]) { try $0[0].slice(1..<4, along: 2, step: 2) },
    OperatorCase("select", by: [0]) { try $0[0].select(-1, along: 1) },
    OperatorCase("concatenate", by: [0, 1]) { try TorchTensor.concatenated($0, along: 0) },
    OperatorCase("stack", by: [0, 1]) { try TorchTensor.stacked($0, along: 1) },
    OperatorCase(several: "chunks", by: [0]) { try $0[0].chunks(2, along: 0) },
    OperatorCase(several: "split", by: [0]) { try $0[0].split([1, 3, 2], along: 1) },
    OperatorCase("repeat", by: [0]) { try $0[0].repeated([2, 3]) },
    OperatorCase("repeat interleaved", by: [0]) { try $0[0].repeatedInterleaved(3, along: 0) },
    OperatorCase("flip", by: [0]) { try $0[0].flipped(along: 0, 1) },
    OperatorCase("roll", by: [0]) { try $0[0].rolled(by: 1, along: 1) },
    OperatorCase("pad", by: [0]) { try $0[0].padded([1, 2, 0, 1], with: 0.5) },
    OperatorCase("lower triangle", by: [0]) { try $0[0].lowerTriangle(diagonal: -1) },
    OperatorCase("upper triangle", by: [0]) { try $0[0].upperTriangle(diagonal: 1) },
    OperatorCase("contiguous", by: [0]) { try $0[0].transposed().contiguous() },
    OperatorCase("convert") { try $0[0].converted(to: .f64) },
    OperatorCase("convert to half precision") { try $0[0].converted(to: .bf16) },
  ]

  static let indexing = [
    OperatorCase("selected", by: [0]) { try $0[0].selected(at: $0[1], along: 0) },
    OperatorCase("gathered", by: [0]) { try $0[0].gathered(at: $0[1], along: 1) },
    OperatorCase("selected by mask", by: [0]) { try $0[0].selected(where: $0[1]) },
    OperatorCase("scattered", by: [0, 2]) { try $0[0].scattered($0[2], at: $0[1], along: 1) },
    OperatorCase("scatter added", by: [0, 2]) {
      try $0[0].scatterAdded($0[2], at: $0[1], along: 1)
    },
    OperatorCase("embedding", by: [1]) { try $0[0].embedding(weight: $0[1]) },
    OperatorCase("one hot") { try $0[0].oneHot(4) },
  ]

  static let matrices = [
    OperatorCase("matmul", by: [0, 1]) { try $0[0].matmul($0[1]) },
    OperatorCase("matmul batched", by: [0, 1]) { try $0[0].matmul($0[1]) },
    OperatorCase("matmul vector", by: [0, 1]) { try $0[0].matmul($0[1]) },
    OperatorCase("linear", by: [0, 1, 2]) { try $0[0].linear(weight: $0[1], bias: $0[2]) },
    OperatorCase("linear without bias", by: [0, 1]) { try $0[0].linear(weight: $0[1]) },
    OperatorCase("conv2d", by: [0, 1, 2]) {
      try $0[0].conv2d(weight: $0[1], bias: $0[2], stride: 2, padding: 1)
    },
    OperatorCase("conv2d grouped", by: [0, 1]) {
      try $0[0].conv2d(weight: $0[1], dilation: 2, groups: 2)
    },
    OperatorCase("attention", by: [0, 1, 2]) { try $0[0].attention(key: $0[1], value: $0[2]) },
    OperatorCase("attention causal", by: [0, 1, 2]) {
      try $0[0].attention(key: $0[1], value: $0[2], causal: true)
    },
    OperatorCase("attention masked", by: [0, 1, 2]) {
      try $0[0].attention(key: $0[1], value: $0[2], mask: $0[3])
    },
    OperatorCase("attention scaled", by: [0, 1, 2, 3]) {
      try $0[0].attention(key: $0[1], value: $0[2], mask: $0[3], scale: 0.3)
    },
    OperatorCase("attention grouped", by: [0, 1, 2]) {
      try $0[0].attention(key: $0[1], value: $0[2], grouped: true)
    },
  ]

  static let normalization = [
    OperatorCase("softmax", by: [0]) { try $0[0].softmax() },
    OperatorCase("softmax along", by: [0]) { try $0[0].softmax(along: 0) },
    OperatorCase("log softmax", by: [0]) { try $0[0].logSoftmax() },
    OperatorCase("normalized", by: [0]) { try $0[0].normalized() },
    OperatorCase("layer norm", by: [0, 1, 2]) {
      try $0[0].layerNorm(weight: $0[1], bias: $0[2], epsilon: 1e-6)
    },
    OperatorCase("rms norm", by: [0, 1]) { try $0[0].rmsNorm(weight: $0[1]) },
    OperatorCase("group norm", by: [0, 1, 2]) {
      try $0[0].groupNorm(2, weight: $0[1], bias: $0[2])
    },
    OperatorCase("batch norm", by: [0, 3, 4]) {
      try $0[0].batchNorm(mean: $0[1], variance: $0[2], weight: $0[3], bias: $0[4])
    },
    OperatorCase("batch norm by the batch", by: [0, 1, 2]) {
      try $0[0].batchNormInTraining(
        mean: .zeros([2], dtype: .f64), variance: .ones([2], dtype: .f64), weight: $0[1],
        bias: $0[2]
      ).output
    },
    OperatorCase(several: "batch norm in training") {
      let result = try $0[0].batchNormInTraining(
        mean: $0[1], variance: $0[2], momentum: 0.3, weight: $0[3], bias: $0[4])
      return [result.output, result.mean, result.variance]
    },
  ]

  static let images = [
    OperatorCase("max pool", by: [0]) { try $0[0].maxPool2d(2) },
    OperatorCase("max pool overlapping", by: [0]) {
      try $0[0].maxPool2d(3, stride: 2, padding: 1)
    },
    OperatorCase("average pool", by: [0]) { try $0[0].averagePool2d(3, stride: 1, padding: 1) },
    OperatorCase("adaptive average pool", by: [0]) {
      try $0[0].adaptiveAveragePool2d(height: 3, width: 1)
    },
    OperatorCase("resize nearest", by: [0]) {
      try $0[0].resized(height: 6, width: 3, by: .nearest)
    },
    OperatorCase("resize bilinear", by: [0]) {
      try $0[0].resized(height: 6, width: 3, by: .bilinear())
    },
    OperatorCase("resize bilinear aligned", by: [0]) {
      try $0[0].resized(height: 6, width: 3, by: .bilinear(aligningCorners: true))
    },
    OperatorCase("resize bicubic", by: [0]) {
      try $0[0].resized(height: 5, width: 7, by: .bicubic())
    },
  ]

  static let losses = [
    OperatorCase("cross entropy", by: [0]) { try $0[0].crossEntropy($0[1]) },
    OperatorCase("cross entropy smoothed", by: [0]) {
      try $0[0].crossEntropy($0[1], weight: $0[2], ignoring: 1, smoothing: 0.1)
    },
    OperatorCase("cross entropy of probabilities", by: [0]) {
      try $0[0].crossEntropy($0[1], reduction: .sum)
    },
    OperatorCase("negative log likelihood", by: [0]) {
      try $0[0].negativeLogLikelihood($0[1], reduction: .none)
    },
    OperatorCase("squared error", by: [0, 1]) { try $0[0].squaredError($0[1]) },
    OperatorCase("absolute error", by: [0, 1]) {
      try $0[0].absoluteError($0[1], reduction: .sum)
    },
    OperatorCase("smooth absolute error", by: [0, 1]) {
      try $0[0].smoothAbsoluteError($0[1], beta: 0.5)
    },
    OperatorCase("divergence", by: [0]) { try $0[0].divergence(from: $0[1], reduction: .sum) },
    OperatorCase("divergence of logarithms", by: [0, 1]) {
      try $0[0].divergence(from: $0[1], isLogarithm: true, reduction: .sum)
    },
    OperatorCase("binary cross entropy", by: [0, 1]) { try $0[0].binaryCrossEntropy($0[1]) },
    OperatorCase("cosine similarity", by: [0, 1]) { try $0[0].cosineSimilarity($0[1]) },
  ]
}
