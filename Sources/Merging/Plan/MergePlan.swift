public import TinctureCheckpoints
internal import TinctureSafetensors
internal import TinctureTensors

/// What a merge will do: complete before any arithmetic, printable, comparable.
public struct MergePlan: Sendable {
  /// The method.
  public let method: any MergeMethod
  /// The steps; every output tensor is covered exactly once.
  public let steps: [MergeStep]
  /// Where every byte of the output will lie.
  public let layout: OutputLayout
  /// Files that are written beside the tensors: configuration, tokenizer, model card.
  public let sidecars: [Sidecar]
  /// What applies to the whole merge.
  public let options: MergeOptions
  /// Remarks for the user, in a fixed order.
  public let notes: [String]

  /// A file that is written beside the tensors.
  public struct Sidecar: Sendable, Hashable {
    /// The path relative to the output directory.
    public let path: String
    /// The bytes.
    public let contents: [UInt8]

    /// Creates a file.
    public init(path: String, contents: [UInt8]) {
      self.path = path
      self.contents = contents
    }
  }

  /// Creates a plan.
  ///
  /// - Parameters:
  ///   - method: The method.
  ///   - steps: The steps, one for each output tensor; large element-wise steps are cut here.
  ///   - layout: Where every byte of the output will lie.
  ///   - sidecars: Files beside the tensors.
  ///   - options: What applies to the whole merge.
  ///   - notes: Remarks for the user.
  public init(
    method: any MergeMethod, steps: [MergeStep], layout: OutputLayout, sidecars: [Sidecar] = [],
    options: MergeOptions = MergeOptions(), notes: [String] = []
  ) {
    self.method = method
    self.layout = layout
    self.sidecars = sidecars
    self.options = options
    self.notes = notes
    var cut: [MergeStep] = []
    for step in steps {
      for range in Self.ranges(of: step, method: method) {
        cut.append(step.with(index: cut.count, elements: range))
      }
    }
    self.steps = cut
  }

  /// Elements after which an element-wise step is cut, so that large tensors keep all workers busy.
  static let cutLength = 1 << 24

  private static func ranges(of step: MergeStep, method: any MergeMethod) -> [Range<Int>] {
    let whole = step.elements
    if case .merge = step.action, !method.isElementwise(step.parameters) { return [whole] }
    guard step.dtype.byteWidth != nil, whole.count > cutLength, step.extras.isEmpty else {
      return [whole]
    }
    return stride(from: whole.lowerBound, to: whole.upperBound, by: cutLength).map {
      $0..<min($0 + cutLength, whole.upperBound)
    }
  }

  /// Bytes that one pass over all inputs reads.
  public var inputBytes: Int { steps.reduce(0) { $0 + $1.inputBytes } }

  /// Bytes of tensors that are written.
  public var outputBytes: Int { layout.dataSize }

  /// What identifies the plan for `--resume`: everything that decides about the bytes of a step.
  public var fingerprint: String {
    var hash = Fingerprint()
    hash.combine(method.info.name)
    hash.combine("\(options.seed) \(options.nonFinite.rawValue)")
    if let first = steps.first { hash.combine(method.externalState(first.parameters)) }
    if let data = options.data {
      hash.combine("\(data.suite.value) \(data.tasks?.value ?? []) \(data.file?.value ?? "")")
      hash.combine("\(data.limit?.value ?? 0) \(options.machine)")
    }
    for file in layout.files {
      hash.combine(file.name)
      hash.combine(file.header)
    }
    for step in steps {
      hash.combine("\(step.index) \(step.name) \(step.dtype.rawValue) \(step.elements)")
      for extra in step.extras { hash.combine(extra.tensor.name) }
      hash.combine(step.inputRounding?.rawValue ?? "")
      for (name, value) in step.parameters.merge.sorted(by: { $0.key < $1.key }) {
        hash.combine("\(name) \(value)")
      }
      for (name, values) in step.parameters.models.sorted(by: { $0.key < $1.key }) {
        hash.combine("\(name) \(values)")
      }
      for filter in step.parameters.filters {
        for (name, value) in filter.merge.sorted(by: { $0.key < $1.key }) {
          hash.combine("\(name) \(value)")
        }
        for (name, values) in filter.models.sorted(by: { $0.key < $1.key }) {
          hash.combine("\(name) \(values)")
        }
      }
      var readers = (step.base.map { [$0] } ?? []) + step.models
      readers += step.statistics.map(\.reader)
      hash.combine("\(step.statistics.map(\.isInputMajor))")
      if case .copy(let reader, _) = step.action { readers = [reader] }
      for reader in readers { hash.combine(reader.fingerprint) }
    }
    return hash.text
  }
}

/// A 64-bit FNV-1a hash over texts and bytes, each closed by a separator.
struct Fingerprint {
  private var state: UInt64 = 0xcbf2_9ce4_8422_2325

  mutating func combine(_ text: String) { combine(text.utf8) }

  mutating func combine(_ bytes: some Sequence<UInt8>) {
    for byte in bytes { state = (state ^ UInt64(byte)) &* 0x100_0000_01b3 }
    state = (state ^ 0xff) &* 0x100_0000_01b3
  }

  var text: String {
    let digits = String(state, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }
}

extension TensorReader {
  /// What identifies the tensor and its contents for `--resume`, as far as can be told without
  /// reading it.
  var fingerprint: String {
    "\(place.description) \(dtype.rawValue) \(shape) \(storedRange?.offset ?? -1)"
      + " \(storedRange?.file.size ?? 0) \(storedRange?.file.modification ?? "")"
      + ((self as? BankReader).map { " " + $0.digest } ?? "")
      + ((self as? MixedReader).map { " " + $0.identity } ?? "")
  }
}
