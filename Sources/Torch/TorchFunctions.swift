import TinctureTensors

/// A kernel of an operator.
///
/// It takes the words of the arguments from a list, frees them, and puts those of the results there. The numbers are how
/// many there are of both.
typealias TorchKernel = @convention(c) (UnsafeMutablePointer<UInt64>?, UInt64, UInt64) -> Void

/// The C functions of LibTorch that are called, resolved once.
///
/// Names and meaning follow `torch/csrc/stable/c/shim.h` and `torch/csrc/inductor/aoti_torch/c/shim.h`,
/// the stable part of LibTorch's interface: every function returns 0 or the fact of a failure, and
/// handles that come back belong to the caller. A handle points to a word that points to LibTorch's
/// tensor, which the three C++ symbols use.
struct TorchFunctions: Sendable {
  typealias Handle = OpaquePointer
  typealias HandleResult = UnsafeMutablePointer<OpaquePointer?>
  typealias Status = Int32
  typealias Words = UnsafeMutablePointer<UInt64>
  typealias Extents = UnsafePointer<Int64>

  // Calls and their arguments.
  let callDispatcher:
    @convention(c) (UnsafePointer<CChar>, UnsafePointer<CChar>, Words, UInt64) -> Status
  let newList: @convention(c) (Int, HandleResult) -> Status
  let listSize: @convention(c) (Handle, UnsafeMutablePointer<Int>) -> Status
  let listItem: @convention(c) (Handle, Int, Words) -> Status
  let listAppend: @convention(c) (Handle, UInt64) -> Status
  let deleteList: @convention(c) (Handle) -> Status
  let newString: @convention(c) (UnsafePointer<CChar>, Int, HandleResult) -> Status
  let deleteString: @convention(c) (Handle) -> Status
  let newWord: (@convention(c) (UnsafeMutablePointer<Words?>) -> Status)?
  let deleteWord: (@convention(c) (Words) -> Status)?
  let allocate: @convention(c) (Int) -> UnsafeMutableRawPointer?
  let deallocate: @convention(c) (UnsafeMutableRawPointer?) -> Void
  let lastMessage: (@convention(c) () -> UnsafePointer<CChar>?)?

  // Tensors.
  let newHandle: @convention(c) (Handle, HandleResult) -> Status
  let deleteHandle: @convention(c) (Handle) -> Status
  let undefinedTensor: @convention(c) (HandleResult) -> Status
  let isDefined: @convention(c) (Handle, UnsafeMutablePointer<Bool>) -> Status
  let assign: @convention(c) (Handle, Handle) -> Status
  let dataPointer: @convention(c) (Handle, UnsafeMutablePointer<UnsafeMutableRawPointer?>) -> Status
  let axisCount: @convention(c) (Handle, UnsafeMutablePointer<Int64>) -> Status
  let extents: @convention(c) (Handle, UnsafeMutablePointer<UnsafeMutablePointer<Int64>?>) -> Status
  let dtype: @convention(c) (Handle, UnsafeMutablePointer<Int32>) -> Status
  let deviceType: @convention(c) (Handle, UnsafeMutablePointer<Int32>) -> Status
  let deviceIndex: @convention(c) (Handle, UnsafeMutablePointer<Int32>) -> Status
  let isContiguous: @convention(c) (Handle, UnsafeMutablePointer<Bool>) -> Status
  let scalarDouble: @convention(c) (Double, HandleResult) -> Status
  let scalarFloat: @convention(c) (Float, HandleResult) -> Status
  let fromMemory:
    (
      @convention(c) (
        UnsafeMutableRawPointer, Int64, Extents, Extents, Int64, Int32, Int32, Int32, HandleResult,
        Int32, UnsafePointer<UInt8>?, Int64,
        (@convention(c) (UnsafeMutableRawPointer?, UnsafeMutableRawPointer?) -> Void)?,
        UnsafeMutableRawPointer?
      ) -> Status
    )?

  // Kernels of operators.
  let strides: @convention(c) (Handle, UnsafeMutablePointer<UnsafeMutablePointer<Int64>?>) -> Status
  let empty: @convention(c) (Int64, Extents, Extents, Int32, Int32, Int32, HandleResult) -> Status
  let newKernels:
    (
      @convention(c) (
        UnsafePointer<CChar>, UnsafePointer<CChar>, UnsafePointer<CChar>, UInt32, HandleResult
      ) -> Status
    )?
  let addKernel: (@convention(c) (Handle, UnsafePointer<CChar>, TorchKernel, UInt64) -> Status)?

  // Operators whose schema has a scalar, which the dispatcher's call does not take.
  let subtract: @convention(c) (Handle, Handle, Double, HandleResult) -> Status
  let fill: @convention(c) (Handle, Double) -> Status

  // Gradients.
  let setRequiresGradient: @convention(c) (Handle, Bool) -> Status
  let recordsGradients: @convention(c) () -> Bool
  let setRecordsGradients: @convention(c) (Bool) -> Void
  let requiresGradient: @convention(c) (UnsafeMutableRawPointer) -> Bool
  let mutableGradient: @convention(c) (UnsafeMutableRawPointer) -> Handle
  // Derivatives along directions.
  let enterForwardMode: (@convention(c) () -> UInt64)?
  let leaveForwardMode: (@convention(c) (UInt64) -> Void)?

  // The engine.
  let abiVersion: @convention(c) () -> UInt64
  let threadCount: @convention(c) (UnsafeMutablePointer<UInt32>) -> Status
  let setThreadCount: @convention(c) (Int32) -> Void
  let context: (@convention(c) () -> UnsafeMutableRawPointer)?
  let setDeterministic: (@convention(c) (UnsafeMutableRawPointer, Bool, Bool) -> Void)?
  let cudaDeviceCount: (@convention(c) () -> Int)?
  let hasMetal: (@convention(c) () -> Bool)?
  /// The threads of operators, where they are OpenMP's.
  let threads: OperatorThreads?

  /// Resolves all functions.
  ///
  /// - Parameters:
  ///   - library: `libtorch_cpu`; symbols of `libc10` are found through it.
  ///   - path: Where the library is, for the message.
  /// - Throws: `missingFacility` that names the first function which is not there.
  init(resolvedIn library: DynamicLibrary, path: String) throws(TinctureError) {
    func optional<F>(_ name: String, as type: F.Type = F.self) -> F? {
      library.symbol(name).map { unsafeBitCast($0, to: F.self) }
    }
    func required<F>(_ name: String) throws(TinctureError) -> F {
      guard let function: F = optional(name) else {
        throw TinctureError(
          .missingFacility,
          "\(path) has no function `\(name)`; this is no LibTorch of version"
            + " \(LibTorchVersion.minimum) or newer. " + LibTorchSearch.remedy)
      }
      return function
    }
    // A version without this one is too old, so it is looked for first.
    callDispatcher = try required("torch_call_dispatcher")
    newList = try required("torch_new_list_reserve_size")
    listSize = try required("torch_list_size")
    listItem = try required("torch_list_get_item")
    listAppend = try required("torch_list_push_back")
    deleteList = try required("torch_delete_list")
    newString = try required("torch_new_string_handle")
    deleteString = try required("torch_delete_string")
    newWord = optional("torch_new_stable_ivalue")
    deleteWord = optional("torch_delete_stable_ivalue")
    // Before 2.13 the callee frees optional values with C++'s `delete`: these are its counterparts.
    allocate = try required("_Znwm")
    deallocate = try required("_ZdlPv")
    lastMessage = optional("torch_exception_get_what_without_backtrace")

    newHandle = try required("aoti_torch_new_tensor_handle")
    deleteHandle = try required("aoti_torch_delete_tensor_object")
    undefinedTensor = try required("aoti_torch_new_uninitialized_tensor")
    isDefined = try required("aoti_torch_is_defined")
    assign = try required("aoti_torch_assign_tensors")
    dataPointer = try required("aoti_torch_get_data_ptr")
    axisCount = try required("aoti_torch_get_dim")
    extents = try required("aoti_torch_get_sizes")
    dtype = try required("aoti_torch_get_dtype")
    deviceType = try required("aoti_torch_get_device_type")
    deviceIndex = try required("aoti_torch_get_device_index")
    isContiguous = try required("aoti_torch_is_contiguous")
    scalarDouble = try required("aoti_torch_scalar_to_tensor_float64")
    scalarFloat = try required("aoti_torch_scalar_to_tensor_float32")
    fromMemory = optional("torch_from_blob")

    strides = try required("aoti_torch_get_strides")
    empty = try required("aoti_torch_empty_strided")
    newKernels = optional("aoti_torch_library_init_impl")
    addKernel = optional("torch_library_impl")

    subtract = try required("aoti_torch_aten_subtract_Tensor")
    fill = try required("aoti_torch_aten_fill__Scalar")

    setRequiresGradient = try required("torch_set_requires_grad")
    recordsGradients = try required("aoti_torch_grad_mode_is_enabled")
    setRecordsGradients = try required("aoti_torch_grad_mode_set_enabled")
    requiresGradient = try required("_ZNK3c1010TensorImpl13requires_gradEv")
    mutableGradient = try required("_ZN3c1010TensorImpl12mutable_gradEv")
    enterForwardMode = optional("_ZN5torch8autograd14ForwardADLevel12get_next_idxEv")
    leaveForwardMode = optional("_ZN5torch8autograd14ForwardADLevel11release_idxEm")

    abiVersion = try required("aoti_torch_abi_version")
    threadCount = try required("torch_get_num_threads")
    setThreadCount = try required("_ZN2at15set_num_threadsEi")
    context = optional("_ZN2at13globalContextEv")
    setDeterministic = optional("_ZN2at7Context26setDeterministicAlgorithmsEbb")
    cudaDeviceCount = optional("_ZN5torch4cuda12device_countEv")
    hasMetal = optional("_ZN5torch3mps12is_availableEv")
    threads = OperatorThreads(resolvedIn: library)
  }
}
