public import TinctureTensors

extension ClipVision {
  /// Takes the sizes from a model's tensors, for models without a configuration such as task vectors' image
  /// encoders.
  ///
  /// Heads have 64 numbers, as in all of CLIP's vision transformers, and images are square; neither shows in
  /// the shapes.
  ///
  /// - Parameters:
  ///   - shapes: The extents of the model's tensors by name.
  ///   - activation: The function within the perceptrons, which does not show either: OpenAI's weights have
  ///     `quickGelu`, most of open_clip's own `gelu`.
  /// - Throws: `checkpoint` when the tensors are not those of one such encoder.
  public init(
    shapes: [String: [Int]], activation: Activation = .quickGelu
  ) throws(TinctureError) {
    self.init()
    self.activation = activation
    projectionWidth = nil
    self = try fitted(to: shapes)
    func extents(_ name: String, _ rank: Int) throws(TinctureError) -> [Int] {
      guard let extents = shapes[name], extents.count == rank, !extents.contains(0) else {
        throw TinctureError(
          .checkpoint, "A vision transformer of CLIP needs this tensor with \(rank) axes.",
          at: .init(tensor: name))
      }
      return extents
    }
    let isOpen = layout == .openClip
    let patches = try extents(
      qualified(tower, isOpen ? "conv1.weight" : "embeddings.patch_embedding.weight"), 4)
    (width, channels, patchSize) = (patches[0], patches[1], patches[2])
    let positions = try extents(
      qualified(tower, isOpen ? "positional_embedding" : "embeddings.position_embedding.weight"), 2)
    let side = Int(Double(positions[0] - 1).squareRoot().rounded())
    guard side > 0, side * side == positions[0] - 1, width % 64 == 0 else {
      throw TinctureError(
        .checkpoint,
        "A vision transformer of CLIP has a square of patches and a width that 64 divides; this model has"
          + " \(positions[0]) positions and the width \(width).")
    }
    imageSize = side * patchSize
    heads = width / 64
    let blocks = qualified(tower, isOpen ? "transformer.resblocks" : "encoder.layers")
    let inner = isOpen ? "mlp.c_fc.weight" : "mlp.fc1.weight"
    hiddenWidth = try extents("\(blocks).0.\(inner)", 2)[0]
    depth = 0
    while shapes["\(blocks).\(depth).\(inner)"] != nil { depth += 1 }
    if let projection = shapes[projectionName], projection.count == 2 {
      projectionWidth = projection[isOpen ? 1 : 0]
    }
    try check(shapes)
  }
}
