public import TinctureMerging
internal import TinctureTensors

/// Where the elements of one task vector of one tensor come from.
enum TaskVectorSource: Sendable {
  /// From memory.
  case memory(FloatMemory)
  /// From memory that holds the expert's elements in the 16 bits in which they are stored.
  case stored(StoredElements)
  /// From the expert's file or bank, block by block, whenever they are needed.
  case reader(any TensorReader)
}

/// A change of task vectors before they are merged, such as TIES' trimming and election of signs.
public protocol TaskVectorChange: Sendable {
  /// Changes the elements of all task vectors at the same positions of a tensor.
  ///
  /// - Parameters:
  ///   - block: The elements.
  ///   - scratch: Room for as many numbers as the block has positions.
  ///   - tensor: The name of the tensor.
  func apply(
    to block: inout ElementBlock, _ scratch: inout MutableSpan<Float>, of tensor: String)
}

/// Memory for the blocks of all task vectors of a tensor.
final class BlockMemory {
  /// Room for each task vector, and one more.
  let vectors: [UnsafeMutablePointer<Float>]
  /// The readers' buffers.
  let windows: [ReadWindow]
  private let memory: UnsafeMutablePointer<Float>

  init(taskCount: Int, capacity: Int) {
    let memory = UnsafeMutablePointer<Float>.allocate(capacity: (taskCount + 1) * capacity)
    memory.initialize(repeating: 0, count: (taskCount + 1) * capacity)
    self.memory = memory
    vectors = (0...taskCount).map { memory + $0 * capacity }
    windows = (0..<taskCount).map { _ in ReadWindow(byteCount: 1 << 18) }
  }

  deinit { memory.deallocate() }
}
