public import TinctureTensors

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Where LibTorch is looked for.
///
/// The first place that holds a library wins: an explicit path, the variable `TINCTURE_LIBTORCH`, a
/// virtual environment of the project (`.venv/torch`, `.venv`), the active Python (`VIRTUAL_ENV`,
/// `CONDA_PREFIX`, then each `python3` on `PATH`), the user's packages, and well-known prefixes. Python
/// is never run. A path that somebody gave must hold a LibTorch that is new enough; elsewhere one that is
/// too old is passed over.
public struct LibTorchSearch: Sendable {
  /// The path that the user gave, if any.
  public var path: String?
  /// The environment's variables.
  public var environment: [String: String]
  /// The folder that relative places belong to.
  public var workingFolder: String

  /// The sentence that tells how to get LibTorch.
  public static let remedy =
    "Install it with `pip install torch`, or name the folder of an installed one with"
    + " `--libtorch PATH` or the variable TINCTURE_LIBTORCH."

  /// Creates a search.
  ///
  /// - Parameters:
  ///   - path: A folder with the library, with a `lib` folder, a `torch` package or a virtual
  ///     environment; nil searches the usual places.
  ///   - environment: The variables that are asked; nil takes the process's.
  ///   - workingFolder: The folder of the project.
  public init(
    path: String? = nil, environment: [String: String]? = nil, workingFolder: String = "."
  ) {
    self.path = path
    self.environment = environment ?? Self.processEnvironment()
    self.workingFolder = workingFolder
  }

  /// A folder that holds LibTorch's libraries.
  public struct Finding: Sendable, Hashable {
    /// The folder of `libtorch_cpu`.
    public let folder: String
    /// Which of the searched places it is, in words.
    public let origin: String
    /// The version that stands beside the libraries, if one does.
    public let version: LibTorchVersion?
  }

  /// Finds the LibTorch to load.
  ///
  /// - Throws: `missingFacility` when there is none, or none that is new enough; the message names what
  ///   was found and says how to get one.
  public func find() throws(TinctureError) -> Finding {
    for (given, name) in [
      (path, "--libtorch"), (environment["TINCTURE_LIBTORCH"], "TINCTURE_LIBTORCH"),
    ] {
      guard let given, !given.isEmpty else { continue }
      guard let finding = findings(at: given, origin: name).first else {
        throw TinctureError(
          .missingFacility,
          "\(name) names \(given), where no \(Self.libraryName("torch_cpu")) is. " + Self.remedy)
      }
      try Self.checkVersion(finding.version, at: finding.folder)
      return finding
    }
    var tooOld: Finding?
    for place in usualPlaces() {
      for finding in findings(at: place.path, origin: place.origin) {
        if finding.version?.isSufficient ?? true { return finding }
        tooOld = tooOld ?? finding
      }
    }
    if let tooOld { try Self.checkVersion(tooOld.version, at: tooOld.folder) }
    throw TinctureError(.missingFacility, "LibTorch was not found. " + Self.remedy)
  }

  /// Refuses a version that lacks functions.
  static func checkVersion(_ version: LibTorchVersion?, at folder: String) throws(TinctureError) {
    guard let version, !version.isSufficient else { return }
    throw TinctureError(
      .missingFacility,
      "LibTorch in \(folder) is version \(version); version \(LibTorchVersion.minimum) or newer is"
        + " needed. " + Self.remedy)
  }

  /// The file name of one of LibTorch's libraries.
  static func libraryName(_ name: String) -> String {
    #if canImport(Darwin)
      "lib\(name).dylib"
    #else
      "lib\(name).so"
    #endif
  }

  private func usualPlaces() -> [(path: String, origin: String)] {
    var places = [
      (workingFolder + "/.venv/torch", "the project's .venv/torch"),
      (workingFolder + "/.venv", "the project's .venv"),
    ]
    for name in ["VIRTUAL_ENV", "CONDA_PREFIX"] {
      if let prefix = environment[name], !prefix.isEmpty { places.append((prefix, name)) }
    }
    for folder in environment["PATH", default: ""].split(separator: ":") {
      // A link in a folder of commands leads to the installation that it belongs to.
      guard let python = Self.resolved("\(folder)/python3") else { continue }
      places.append(("\(folder)/..", "python3 on PATH"))
      let commands = python.lastIndex(of: "/").map { python[..<$0] } ?? ""
      places.append((commands + "/..", "python3 on PATH"))
    }
    if let home = environment["HOME"], !home.isEmpty {
      places.append((home + "/.local", "the user's Python packages"))
      places.append((home + "/libtorch", "~/libtorch"))
    }
    for prefix in ["/usr/local", "/usr/local/libtorch", "/opt/libtorch", "/opt/homebrew", "/usr"] {
      places.append((prefix, prefix))
    }
    return places
  }

  /// The folders with libraries that a path can mean, the most direct first.
  private func findings(at path: String, origin: String) -> [Finding] {
    let library = Self.libraryName("torch_cpu")
    let tails = [
      "", "lib/", "torch/lib/", "lib/python3*/site-packages/torch/lib/",
      "lib64/python3*/site-packages/torch/lib/", "lib/python3*/dist-packages/torch/lib/",
      "lib/python3/dist-packages/torch/lib/", "lib/*-linux-gnu/", "lib64/",
    ]
    return tails.flatMap { tail in
      Self.matches("\(Self.escaped(path))/\(tail)\(library)").map { file in
        let folder = String(file.dropLast(library.count + 1))
        return Finding(folder: folder, origin: origin, version: Self.version(beside: folder))
      }
    }
  }

  /// The version that a Python package (`version.py`) or an archive (`build-version`) states.
  private static func version(beside folder: String) -> LibTorchVersion? {
    if let text = contents(of: folder + "/../version.py") {
      for line in text.split(separator: "\n") where line.hasPrefix("__version__") {
        let quoted = line.split { $0 == "'" || $0 == "\"" }
        if quoted.count > 1 { return LibTorchVersion(parsing: String(quoted[1])) }
      }
    }
    return contents(of: folder + "/../build-version").flatMap { text in
      LibTorchVersion(parsing: String(text.prefix { $0 != "\n" }))
    }
  }

  // MARK: The file system

  private static func resolved(_ path: String) -> String? {
    guard let real = realpath(path, nil) else { return nil }
    defer { free(real) }
    return String(cString: real)
  }

  private static func escaped(_ path: String) -> String {
    path.map { "*?[]\\".contains($0) ? "\\\($0)" : String($0) }.joined()
  }

  /// The files that match a pattern, the last in order first, so that a newer Python comes first.
  private static func matches(_ pattern: String) -> [String] {
    var found = glob_t()
    defer { globfree(&found) }
    guard glob(pattern, 0, nil, &found) == 0, let paths = found.gl_pathv else { return [] }
    return (0..<Int(found.gl_pathc)).reversed().compactMap { index in
      paths[index].map { String(cString: $0) }
    }
  }

  /// The first bytes of a small text file.
  private static func contents(of path: String) -> String? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: 4096)
    let count = read(descriptor, &bytes, bytes.count)
    return count < 0 ? nil : String(decoding: bytes.prefix(count), as: UTF8.self)
  }

  private static func processEnvironment() -> [String: String] {
    let names = ["TINCTURE_LIBTORCH", "VIRTUAL_ENV", "CONDA_PREFIX", "PATH", "HOME"]
    var result: [String: String] = [:]
    for name in names { result[name] = getenv(name).map { String(cString: $0) } }
    return result
  }
}
