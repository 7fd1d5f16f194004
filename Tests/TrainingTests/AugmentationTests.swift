import Testing
import TinctureTensors

@testable import TinctureTraining

@Suite("Random changes of images")
struct AugmentationTests {
  private func copied(_ source: [UInt8], _ layout: PixelLayout, _ draw: Augmentation.Draw)
    -> [UInt8]
  {
    var target = [UInt8](repeating: 9, count: source.count)
    source.withUnsafeBytes { from in
      target.withUnsafeMutableBytes { to in
        guard let from = from.baseAddress, let to = to.baseAddress else { return }
        layout.copy(from, to: to, draw)
      }
    }
    return target
  }

  /// What the definition says, pixel by pixel.
  private func wanted(_ source: [UInt8], _ layout: PixelLayout, _ draw: Augmentation.Draw)
    -> [UInt8]
  {
    var target = [UInt8](repeating: 0, count: source.count)
    for plane in 0..<layout.planes {
      for y in 0..<layout.height {
        for x in 0..<layout.width {
          let from = (y + draw.down, x + draw.right)
          guard (0..<layout.height).contains(from.0), (0..<layout.width).contains(from.1) else {
            continue
          }
          let column = draw.isMirrored ? layout.width - 1 - x : x
          for byte in 0..<layout.pixelBytes {
            target[
              ((plane * layout.height + y) * layout.width + column) * layout.pixelBytes + byte] =
              source[
                ((plane * layout.height + from.0) * layout.width + from.1) * layout.pixelBytes
                  + byte]
          }
        }
      }
    }
    return target
  }

  @Test(
    "Moved and mirrored images are those of the definition",
    arguments: [
      PixelLayout(planes: 1, height: 5, width: 4, pixelBytes: 1),
      PixelLayout(planes: 3, height: 4, width: 6, pixelBytes: 1),
      PixelLayout(planes: 1, height: 3, width: 3, pixelBytes: 3),
      PixelLayout(planes: 2, height: 3, width: 5, pixelBytes: 4),
    ])
  func definition(layout: PixelLayout) {
    let source = (0..<layout.byteCount).map { UInt8(truncatingIfNeeded: $0 + 1) }
    for down in -6...6 {
      for right in -7...7 {
        for isMirrored in [false, true] {
          let draw = Augmentation.Draw(down: down, right: right, isMirrored: isMirrored)
          #expect(copied(source, layout, draw) == wanted(source, layout, draw), "\(draw)")
        }
      }
    }
  }

  @Test("Shapes are understood as the network's input understands them")
  func layouts() {
    #expect(
      PixelLayout([28, 30], channels: 1, elementBytes: 1)
        == PixelLayout(planes: 1, height: 28, width: 30, pixelBytes: 1))
    #expect(
      PixelLayout([3, 28, 30], channels: 3, elementBytes: 4)
        == PixelLayout(planes: 3, height: 28, width: 30, pixelBytes: 4))
    #expect(
      PixelLayout([28, 30, 3], channels: 3, elementBytes: 1)
        == PixelLayout(planes: 1, height: 28, width: 30, pixelBytes: 3))
    #expect(PixelLayout([7], channels: 1, elementBytes: 1) == nil)
  }

  @Test("What becomes of an example depends on seed, epoch and example alone, and is spread evenly")
  func draws() {
    var augmentation = Augmentation()
    (augmentation.crop, augmentation.flips) = (4, true)
    let random = Augmentation.random(seed: 3, epoch: 5)
    let draws = (0..<9000).map { augmentation.draw($0, random) }
    let again = augmentation.draw(17, Augmentation.random(seed: 3, epoch: 5))
    #expect(again.down == draws[17].down && again.isMirrored == draws[17].isMirrored)
    for offset in -4...4 {
      let count = draws.count { $0.right == offset }
      #expect((850...1150).contains(count), "\(offset): \(count)")
    }
    #expect((4300...4700).contains(draws.count { $0.isMirrored }))
    let other = Augmentation.random(seed: 3, epoch: 6)
    #expect((0..<100).contains { augmentation.draw($0, other).down != draws[$0].down })
  }
}
