#if os(Linux)
  import Testing

  @testable import TinctureTensors

  @Suite("Large blocks")
  struct LargeBlocksTests {
    @Test("A freed block serves the next that asks for as much, and others stay within a bound")
    func kept() async {
      await #expect(processExitsWith: .success) {
        keepFreedMemory()
        let size = 8 << 20
        let blocks = (0..<4).map { _ in LargeBlocks.take(size) }
        #expect(Set(blocks).count == 4)
        for block in blocks { block.initializeMemory(as: UInt8.self, repeating: 7, count: size) }
        for block in blocks { LargeBlocks.free(block, size) }
        #expect(LargeBlocks.held == 4 * size)
        #expect(LargeBlocks.take(size - 100) == blocks[3], "The block that was freed last is warm.")
        #expect(LargeBlocks.held == 4 * size)
        // In use 8 and 11 MB; of the other 24 only those that keep all within 40 may stay.
        let other = LargeBlocks.take(11 << 20)
        other.initializeMemory(as: UInt8.self, repeating: 1, count: 11 << 20)
        #expect(LargeBlocks.held == 35 << 20)
        FreedMemory.release(above: 1 << 40)
        #expect(LargeBlocks.held == 35 << 20)
        FreedMemory.release(above: 1 << 20)
        #expect(LargeBlocks.held == 19 << 20, "What is in use stays.")
        LargeBlocks.free(other, 11 << 20)
        LargeBlocks.free(blocks[3], size)
        LargeBlocks.release()
        #expect(LargeBlocks.held == 0)
      }
    }

    @Test("Blocks go back at once where the program does not allow to keep them")
    func givenBack() async {
      await #expect(processExitsWith: .success) {
        FreedMemory.keep()
        let block = LargeBlocks.take(3 << 20)
        block.initializeMemory(as: UInt8.self, repeating: 1, count: 3 << 20)
        #expect(LargeBlocks.held == 3 << 20)
        LargeBlocks.free(block, 3 << 20)
        #expect(LargeBlocks.held == 0)
      }
    }
  }
#endif
