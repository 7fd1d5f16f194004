import Foundation
import Testing
import TinctureTensors
import TinctureTorch

/// Tests that look at the whole process run in one of their own.
@Suite("Leaks", .needsLibTorch)
struct LeakTests {
  @Test("Two thousand training steps leave memory flat and no handle")
  func training() async {
    await #expect(processExitsWith: .success) {
      try {
        // Other tests run meanwhile: threads that wait for each other would only be slow.
        try LibTorch.current().threadCount = 1
        let random = CounterRandom(seed: 1, tensor: "leak", purpose: "test")
        let inputs = try TorchTensor.normal([16, 3, 16, 16], random)
        let labels = try TorchTensor((0..<16).map { $0 % 10 })
        var parameters = try [
          TorchTensor.normal([8, 3, 3, 3], random, deviation: 0.1),
          TorchTensor.normal([10, 8 * 49], random, deviation: 0.1), TorchTensor.zeros([10]),
        ].map { try $0.requiringGradient() }
        let optimizer = try TorchOptimizer(.adamW(), learningRate: 1e-3, for: parameters)
        var first: Float?
        var last: Float = 0
        func train(_ steps: Int) throws {
          for _ in 0..<steps {
            let features = try inputs.conv2d(weight: parameters[0]).gelu().maxPool2d(2)
            let parts = try features.flattened(from: 1).chunks(2, along: 1)
            let logits = try TorchTensor.concatenated(parts, along: 1)
              .linear(weight: parameters[1], bias: parameters[2])
            let loss = try logits.crossEntropy(labels)
            let slopes = try gradients(of: loss, withRespectTo: parameters).clipped(toNorm: 1)
            try optimizer.step(&parameters, slopes)
            last = try loss.item()
            first = first ?? last
          }
        }
        try train(300)
        let before = residentBytes()
        let handles = TorchTensor.liveHandles
        try train(2000)
        #expect(residentBytes() - before < 4_000_000)
        #expect(TorchTensor.liveHandles == handles)
        #expect(last < (first ?? 0) / 10)
      }()
      #expect(TorchTensor.liveHandles == 0)
    }
  }

  @Test("Calls that fail in the middle leak neither handles nor memory")
  func failures() async {
    await #expect(processExitsWith: .success) {
      try {
        try LibTorch.current().threadCount = 1
        let a = try TorchTensor.zeros([500, 500])
        let b = try TorchTensor.zeros([3, 7])
        let weight = try a.requiringGradient()
        let calls: [() throws -> Void] = [
          { _ = try (a + 1).matmul(b) },
          { _ = try TorchTensor.concatenated([a + 1, b], along: 0) },
          { _ = try (a + 1).linear(weight: b, bias: a + 2) },
          { _ = try (a + 1).reshaped([17, -1]) },
          { _ = try (a + 1) + b },
          { _ = try (a + 1).crossEntropy(b, weight: a + 2) },
          { _ = try (a + 1).converted(to: .f4) },
          { _ = try gradients(of: weight * 2, withRespectTo: [weight]) },
          { _ = try gradients(of: a.sum(), withRespectTo: [weight]) },
          { _ = try TorchTensor.stacked([]) },
        ]
        func fail(_ times: Int) {
          for _ in 0..<times {
            for (index, call) in calls.enumerated() {
              #expect(throws: TinctureError.self, "call \(index)") { try call() }
            }
          }
        }
        fail(5)
        let before = residentBytes()
        let handles = TorchTensor.liveHandles
        fail(30)
        #expect(TorchTensor.liveHandles == handles)
        // One tensor of a megabyte for each failure would be hundreds of megabytes.
        #expect(residentBytes() - before < 8_000_000)
      }()
      #expect(TorchTensor.liveHandles == 0)
    }
  }

  @Test("Memory that a tensor shares is kept until the last user has gone, then let go")
  func sharedMemory() throws {
    final class Owner: @unchecked Sendable {  // The bytes are written before anybody shares them.
      let bytes: UnsafeMutableRawBufferPointer
      let gone: @Sendable () -> Void
      init(_ gone: @escaping @Sendable () -> Void) {
        bytes = .allocate(byteCount: 24, alignment: 64)
        bytes.copyBytes(from: [1.0, 7, 3].withUnsafeBytes { Array($0) })
        self.gone = gone
      }
      deinit {
        bytes.deallocate()
        gone()
      }
    }
    final class Flag: @unchecked Sendable {  // Only this test's thread uses it.
      var isSet = false
    }
    let flag = Flag()
    var view: TorchTensor?
    do {
      let owner = Owner { flag.isSet = true }
      let tensor = try TorchTensor(
        sharing: UnsafeRawBufferPointer(owner.bytes), shape: [3], dtype: .f64, owner: owner)
      view = try tensor.slice(1..<3, along: 0)
    }
    // Version 2.10 cannot let go of memory that it shares, so the bytes are copied at once.
    #expect(flag.isSet != (try LibTorchFixture.isAtLeast(minor: 11)))
    #expect(try view?.array(as: Double.self) == [7, 3])
    view = nil
    #expect(flag.isSet)
  }
}

/// The memory of this process that is in use, in bytes; zero where the system does not tell.
func residentBytes() -> Int {
  guard let text = try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8) else {
    return 0
  }
  return (text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0) * 4096
}
