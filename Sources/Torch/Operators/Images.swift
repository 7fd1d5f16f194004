public import TinctureTensors

// Images are tensors [N, channels, height, width].
extension TorchTensor {
  /// The largest element under a window.
  ///
  /// Schema: `aten::max_pool2d(Tensor self, int[2] kernel_size, int[2] stride, int[2] padding, int[2]
  /// dilation, bool ceil_mode)`. Without a stride windows do not overlap.
  public func maxPool2d(
    _ size: Int, stride: Int? = nil, padding: Int = 0
  ) throws(TinctureError) -> TorchTensor {
    let stride = stride ?? size
    return try library.call(
      "aten::max_pool2d", "", .tensor(self), .ints([size, size]), .ints([stride, stride]),
      .ints([padding, padding]), .ints([1, 1]), .bool(false))
  }

  /// The mean under a window, zeros of the padding included.
  ///
  /// Schema: `aten::avg_pool2d(Tensor self, int[2] kernel_size, int[2] stride, int[2] padding, bool
  /// ceil_mode, bool count_include_pad, int? divisor_override)`. Without a stride windows do not overlap.
  public func averagePool2d(
    _ size: Int, stride: Int? = nil, padding: Int = 0
  ) throws(TinctureError) -> TorchTensor {
    let stride = stride ?? size
    return try library.call(
      "aten::avg_pool2d", "", .tensor(self), .ints([size, size]), .ints([stride, stride]),
      .ints([padding, padding]), .bool(false), .bool(true), .none)
  }

  /// Means that give an image of a certain size.
  ///
  /// Schema: `aten::adaptive_avg_pool2d(Tensor self, SymInt[2] output_size)`.
  public func adaptiveAveragePool2d(
    height: Int, width: Int
  ) throws(TinctureError) -> TorchTensor {
    try library.call("aten::adaptive_avg_pool2d", "", .tensor(self), .ints([height, width]))
  }

  /// What a convolution sees: for each of its results the pixels under its window.
  ///
  /// Schema: `aten::im2col(Tensor self, int[2] kernel_size, int[2] dilation, int[2] padding, int[2] stride)`.
  ///
  /// - Parameters:
  ///   - kernel: The height and the width of the window.
  ///   - stride: The distance of neighbouring windows in both directions.
  ///   - padding: The zeros put around on each side.
  /// - Returns: [N, channels · height · width of the window, windows], in the order of a convolution's weights.
  /// - Throws: `engine` when the shapes do not fit.
  public func patches(
    _ kernel: [Int], stride: Int = 1, padding: Int = 0
  ) throws(TinctureError) -> TorchTensor {
    try library.call(
      "aten::im2col", "", .tensor(self), .ints(kernel), .ints([1, 1]), .ints([padding, padding]),
      .ints([stride, stride]))
  }

  /// How an image gets another size.
  public enum Interpolation: Sendable, Hashable {
    /// Each pixel is the nearest one.
    case nearest
    /// Each pixel is a mean of four; corners of the images or of their outermost pixels coincide.
    case bilinear(aligningCorners: Bool = false)
    /// Each pixel is a sum of sixteen.
    case bicubic(aligningCorners: Bool = false)
  }

  /// An image of another size.
  ///
  /// Schemas: `aten::upsample_nearest2d(Tensor self, SymInt[2] output_size, float? scales_h, float?
  /// scales_w)`, and `upsample_bilinear2d` and `upsample_bicubic2d` with `bool align_corners` after the size.
  public func resized(
    height: Int, width: Int, by interpolation: Interpolation
  ) throws(TinctureError) -> TorchTensor {
    let size = TorchArgument.ints([height, width])
    return switch interpolation {
    case .nearest:
      try library.call("aten::upsample_nearest2d", "", .tensor(self), size, .none, .none)
    case .bilinear(let corners):
      try library.call(
        "aten::upsample_bilinear2d", "", .tensor(self), size, .bool(corners), .none, .none)
    case .bicubic(let corners):
      try library.call(
        "aten::upsample_bicubic2d", "", .tensor(self), size, .bool(corners), .none, .none)
    }
  }
}
