internal import CTinctureKernels
internal import Synchronization

/// Memory for large matrices, which come and go in few sizes.
///
/// Where ``FreedMemory`` may be kept, freed blocks wait for the next that asks for as much, so that the system need not
/// fill pages with zeros again; but before new ones are taken, blocks in use and blocks that wait are no more together
/// than blocks in use have been before, and a quarter. In an ordinary heap holes between blocks of
/// several sizes take as much again as the blocks. Pages are large ones where the system has them.
package enum LargeBlocks {
  /// From this size on matrices take blocks.
  package static let leastSize = 1 << 20

  private static let blocks = Mutex(Blocks())

  /// Takes a block; its contents are arbitrary.
  ///
  /// - Parameter bytes: What it must hold, at least one.
  /// - Returns: The block, at the start of a page.
  package static func take(_ bytes: Int) -> UnsafeMutableRawPointer {
    let size = rounded(bytes)
    let (found, surplus) = blocks.withLock { $0.take(size) }
    giveBack(surplus)
    if let block = found.flatMap({ UnsafeMutableRawPointer(bitPattern: $0) }) { return block }
    if let block = tincture_take_pages(size) { return block }
    release()
    guard let block = tincture_take_pages(size) else {
      preconditionFailure("The system has no \(bytes) bytes of memory left.")
    }
    return block
  }

  /// Frees a block.
  ///
  /// - Parameters:
  ///   - block: The block; nobody may use it any more.
  ///   - bytes: What was asked for.
  package static func free(_ block: UnsafeMutableRawPointer, _ bytes: Int) {
    let freed = Block(address: UInt(bitPattern: block), size: rounded(bytes))
    let keeps = FreedMemory.keepsBlocks
    giveBack(blocks.withLock { $0.free(freed, keeps: keeps) })
  }

  /// Gives all blocks that wait back to the system.
  static func release() { giveBack(blocks.withLock { $0.takeAllWaiting() }) }

  /// The bytes of all blocks, in use or not.
  static var held: Int { blocks.withLock { $0.inUse + $0.waitingSize } }

  private static func giveBack(_ given: [Block]) {
    for block in given {
      if let start = UnsafeMutableRawPointer(bitPattern: block.address) {
        tincture_give_pages_back(start, block.size)
      }
    }
  }

  /// Whole pages of any system.
  private static func rounded(_ bytes: Int) -> Int { (bytes + 0xffff) & ~0xffff }
}

private struct Block {
  var address: UInt
  var size: Int
}

/// Which blocks there are.
private struct Blocks {
  /// Free blocks, those that were freed first in front.
  private var waiting: [Block] = []
  private(set) var waitingSize = 0
  private(set) var inUse = 0
  /// The most bytes that were in use at a time.
  private var highest = 0

  /// A free block of the size, if there is one, and blocks that must go before others are taken.
  mutating func take(_ size: Int) -> (UInt?, surplus: [Block]) {
    inUse += size
    highest = max(highest, inUse)
    if let index = waiting.lastIndex(where: { $0.size == size }) {
      waitingSize -= size
      return (waiting.remove(at: index).address, [])
    }
    var surplus: [Block] = []
    while inUse + waitingSize > highest + highest / 4, !waiting.isEmpty {
      let oldest = waiting.removeFirst()
      waitingSize -= oldest.size
      surplus.append(oldest)
    }
    return (nil, surplus)
  }

  /// Takes a block back; which blocks go back to the system.
  mutating func free(_ block: Block, keeps: Bool) -> [Block] {
    inUse -= block.size
    guard keeps else { return [block] }
    waiting.append(block)
    waitingSize += block.size
    return []
  }

  /// Takes all free blocks; what was needed until now does not count any more.
  mutating func takeAllWaiting() -> [Block] {
    defer { (waiting, waitingSize, highest) = ([], 0, inUse) }
    return waiting
  }
}
