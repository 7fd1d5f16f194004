import Synchronization
import TinctureTensors

/// Our own kernels of linear layers in LibTorch, where its own use half of what the processor can do.
///
/// LibTorch leaves products of matrices to MKL, which on AMD's processors multiplies with half of the width that AVX-512
/// has. It has an operator `mkldnn_linear`, with derivatives, for tensors in layouts of oneDNN's; for ordinary tensors
/// on the processor it has no kernel, so that one can be added without replacing any. y = x Wᵀ + b; with the derivative
/// G of the loss with respect to y, those with respect to x, W and b are G W, Gᵀ x and the sums of G's columns. They are
/// computed on LibTorch's own threads, and their bits do not depend on how many there are.
package struct LayerKernels: Sendable {
  /// The library to which the kernels were added.
  let library: LibTorch
  private let threads: OperatorThreads

  /// The kernels of the loaded library; nil where they cannot be added.
  static let shared: LayerKernels? = (try? LibTorch.current()).flatMap(LayerKernels.init(addingTo:))

  /// Whether layers are computed by these kernels where they can be: where they are faster, or where a test says so.
  @TaskLocal package static var isWanted = Kernels.isWideOnAMD && Kernels.isOptimized

  /// Why a kernel gave no result; a kernel cannot throw through LibTorch.
  private static let problem = Mutex<TinctureError?>(nil)

  /// Why a kernel gave no result, told once.
  static func takeProblem() -> TinctureError? { problem.withLock { $0.take() } }

  private init?(addingTo library: LibTorch) {
    let functions = library.functions
    guard let threads = functions.threads,
      let newKernels = functions.newKernels, let addKernel = functions.addKernel
    else { return nil }
    let forward: TorchKernel = { words, _, _ in
      Self.compute(words, results: 1) { (kernels, words) throws(TinctureError) in
        [try kernels.output(words)]
      }
    }
    let backward: TorchKernel = { words, _, _ in
      Self.compute(words, results: 3) { (kernels, words) throws(TinctureError) in
        try kernels.slopes(words)
      }
    }
    // LibTorch keeps what is added as long as the process lives.
    var own: OpaquePointer?
    let version = library.version.abiNumber
    guard newKernels("aten", "CPU", #fileID, 0, &own) == 0, let own,
      addKernel(own, "mkldnn_linear", forward, version) == 0,
      addKernel(own, "mkldnn_linear_backward", backward, version) == 0
    else { return nil }
    (self.library, self.threads) = (library, threads)
  }

  /// Replaces the words of arguments by those of results, numbers in place of tensors when there are none.
  private static func compute(
    _ words: UnsafeMutablePointer<UInt64>?, results: Int,
    _ kernel: (LayerKernels, UnsafeMutablePointer<UInt64>) throws(TinctureError) -> [TorchTensor?]
  ) {
    guard let kernels = shared, let words else { return }
    let functions = kernels.library.functions
    do throws(TinctureError) {
      let tensors = try kernel(kernels, words)
      for (place, tensor) in tensors.enumerated() {
        var word: OpaquePointer?
        if let tensor {
          word = try kernels.library.newHandle(tensor.handle.pointer)
        } else {
          _ = functions.undefinedTensor(&word)
        }
        words[place] = word.map(LibTorch.bits) ?? 0
      }
    } catch {
      problem.withLock { $0 = error }
      for place in 0..<results {
        // A gradient or output without axes fits nowhere, which is noticed.
        var number: OpaquePointer?
        _ = functions.scalarFloat(0, &number)
        words[place] = number.map(LibTorch.bits) ?? 0
      }
    }
  }

  /// `aten::mkldnn_linear(Tensor self, Tensor weight, Tensor? bias) -> Tensor`.
  private func output(
    _ words: UnsafeMutablePointer<UInt64>
  ) throws(TinctureError) -> TorchTensor {
    let (input, weight) = (tensor(words[0]), tensor(words[1]))
    var bias: TorchTensor?
    if let cell = UnsafeMutablePointer<UInt64>(bitPattern: UInt(words[2])) {
      bias = tensor(cell.pointee)
      library.deleteCell(cell)
    }
    guard let input, let weight else { throw missing }
    let (x, w) = (try input.contiguous(), try Matrix(weight))
    let (inputs, outputs) = (weight.shape[1], weight.shape[0])
    let result = try empty(Array(input.shape.dropLast()) + [outputs])
    let contiguousBias = try bias?.contiguous()
    let product = LayerProduct(
      left: Kernels.Factor(try x.numbers(), row: inputs, column: 1), right: w.factor.transposed,
      bias: try contiguousBias.map { (bias) throws(TinctureError) in
        UnsafePointer(try bias.numbers())
      },
      result: try result.numbers(), rows: x.elementCount / inputs, columns: outputs, inner: inputs)
    run(product.work) { part, count in product.compute(part: part, of: count) }
    withExtendedLifetime((x, w, contiguousBias)) {}
    return result
  }

  /// `aten::mkldnn_linear_backward(Tensor self, Tensor grad_output, Tensor weight, bool[3] output_mask)
  /// -> (Tensor, Tensor, Tensor)`: for the input, the weight and the bias, as far as the mask asks for them.
  private func slopes(
    _ words: UnsafeMutablePointer<UInt64>
  ) throws(TinctureError) -> [TorchTensor?] {
    let (input, slope, weight) = (tensor(words[0]), tensor(words[1]), tensor(words[2]))
    var isWanted = [false, false, false]
    if let list = LibTorch.pointer(words[3]) {
      for place in isWanted.indices {
        var word: UInt64 = 0
        _ = library.functions.listItem(list, place, &word)
        isWanted[place] = word != 0
      }
      _ = library.functions.deleteList(list)
    }
    guard let input, let slope, let weight else { throw missing }
    let (x, g, w) = (try input.contiguous(), try slope.contiguous(), try Matrix(weight))
    let (inputs, outputs) = (weight.shape[1], weight.shape[0])
    let rows = x.elementCount / inputs
    let left = Kernels.Factor(try g.numbers(), row: outputs, column: 1)
    var products: [LayerProduct] = []
    var results: [TorchTensor?] = [nil, nil, nil]
    if isWanted[0] {
      let result = try empty(input.shape)
      products.append(
        LayerProduct(
          left: left, right: w.factor, result: try result.numbers(), rows: rows, columns: inputs,
          inner: outputs))
      results[0] = result
    }
    if isWanted[1] {
      let result = try empty(weight.shape)
      let right = Kernels.Factor(try x.numbers(), row: inputs, column: 1)
      products.append(
        LayerProduct(
          left: left.transposed, right: right, result: try result.numbers(), rows: outputs,
          columns: inputs, inner: rows))
      results[1] = result
    }
    var sums: UnsafeMutablePointer<Float>?
    if isWanted[2] {
      let result = try empty([outputs])
      sums = try result.numbers()
      results[2] = result
    }
    run(products.reduce(0) { $0 + $1.work }) { part, count in
      for product in products { product.compute(part: part, of: count) }
      guard let sums else { return }
      let share = part * outputs / count..<(part + 1) * outputs / count
      Kernels.columnSums(
        left.start + share.lowerBound, rowsApart: outputs, rows: rows, columns: share.count,
        into: sums + share.lowerBound)
    }
    withExtendedLifetime((x, g, w)) {}
    return results
  }

  private func run(_ work: Int, _ body: (_ part: Int, _ count: Int) -> Void) {
    // Less is done sooner than a second thread has begun.
    threads.run(on: work < 1 << 19 ? 1 : library.threadCount, body)
  }

  private func tensor(_ word: UInt64) -> TorchTensor? {
    LibTorch.pointer(word).map { TorchTensor(TorchHandle($0, of: library)) }
  }

  private func empty(_ shape: [Int]) throws(TinctureError) -> TorchTensor {
    var strides = [Int64](repeating: 1, count: shape.count)
    for axis in shape.indices.dropLast().reversed() {
      strides[axis] = strides[axis + 1] * Int64(shape[axis + 1])
    }
    let (dtype, device) = (try library.codes.code(.f32), library.codes.code(.cpu))
    var pointer: OpaquePointer?
    let status = library.functions.empty(
      Int64(shape.count), shape.map(Int64.init), strides, dtype, device, 0, &pointer)
    guard status == 0 else {
      throw TinctureError(
        .engine, "A linear layer's output f32\(shape) cannot be made: \(library.lastMessage)")
    }
    return try TorchTensor(adopting: pointer, of: library, "aoti_torch_empty_strided")
  }

  private var missing: TinctureError {
    TinctureError(.internalError, "LibTorch gave a linear layer's kernel no tensors.")
  }

  /// A weight whose rows or columns are contiguous, as it is or copied.
  private struct Matrix {
    let tensor: TorchTensor
    let factor: Kernels.Factor

    init(_ weight: TorchTensor) throws(TinctureError) {
      let steps = weight.steps
      let isUsable = steps.count == 2 && steps.contains(1)
      tensor = isUsable ? weight : try weight.contiguous()
      let (row, column) = isUsable ? (steps[0], steps[1]) : (weight.shape[1], 1)
      factor = Kernels.Factor(try tensor.numbers(), row: row, column: column)
    }
  }
}

extension TorchTensor {
  /// The distances of neighbours along each axis, in elements.
  fileprivate var steps: [Int] {
    var strides: UnsafeMutablePointer<Int64>?
    guard library.functions.strides(handle.pointer, &strides) == 0, let strides else { return [] }
    return (0..<rank).map { Int(strides[$0]) }
  }

  /// The address of the first element of a tensor of f32.
  fileprivate func numbers() throws(TinctureError) -> UnsafeMutablePointer<Float> {
    try memory().assumingMemoryBound(to: Float.self)
  }
}
