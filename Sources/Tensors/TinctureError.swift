/// What went wrong, where, and what to do about it.
///
/// Every failure that comes from outside the program — a recipe, a checkpoint, the machine — is one
/// of these. `message` is a sentence that names the offending value; `place` says where it stands;
/// `causes` lists the single problems when several are reported at once.
public struct TinctureError: Error, Sendable, Hashable {
  /// The class of the failure, which decides the exit status of the tool.
  public struct Code: Hashable, Sendable {
    /// The name of the class, in words.
    public let name: String
    /// The exit status of a process that ends with this failure.
    public let exitStatus: Int32

    /// The command line is wrong.
    public static let usage = Code(name: "usage", exitStatus: 64)
    /// The recipe is wrong.
    public static let recipe = Code(name: "recipe", exitStatus: 65)
    /// A checkpoint, tokenizer or configuration file is malformed or does not fit the others.
    public static let checkpoint = Code(name: "checkpoint", exitStatus: 65)
    /// A data set, or what was measured on it, is malformed or does not fit what is asked of it.
    public static let data = Code(name: "data", exitStatus: 65)
    /// An input does not exist or cannot be opened.
    public static let missingInput = Code(name: "missing input", exitStatus: 66)
    /// A library or device that the step needs is not there.
    public static let missingFacility = Code(name: "missing facility", exitStatus: 69)
    /// An engine refused or failed a computation.
    public static let engine = Code(name: "engine", exitStatus: 70)
    /// The program contradicts itself; this is a bug.
    public static let internalError = Code(name: "internal", exitStatus: 70)
    /// The output cannot be created.
    public static let cannotCreate = Code(name: "cannot create", exitStatus: 73)
    /// Reading or writing failed midway.
    public static let io = Code(name: "input/output", exitStatus: 74)
    /// The user or the system asked the program to stop.
    public static let interrupted = Code(name: "interrupted", exitStatus: 130)
  }

  /// Where the failure stands; every part may be absent.
  public struct Place: Sendable, Hashable {
    /// The file, as the user named it.
    public var file: String?
    /// The line in a text file, counted from one.
    public var line: Int?
    /// The column in a text file, counted from one.
    public var column: Int?
    /// The offset in a binary file, in bytes.
    public var byteOffset: Int?
    /// The model, as the recipe names it.
    public var model: String?
    /// The tensor.
    public var tensor: String?

    /// Creates a place from whatever is known.
    public init(
      file: String? = nil, line: Int? = nil, column: Int? = nil, byteOffset: Int? = nil,
      model: String? = nil, tensor: String? = nil
    ) {
      self.file = file
      self.line = line
      self.column = column
      self.byteOffset = byteOffset
      self.model = model
      self.tensor = tensor
    }
  }

  /// The class of the failure.
  public var code: Code
  /// A sentence with the offending value and what to do.
  public var message: String
  /// Where the failure stands.
  public var place: Place
  /// The line of the recipe or file that is wrong, with a marker below it.
  public var snippet: String?
  /// The single problems behind this one.
  public var causes: [TinctureError]

  /// Creates a failure.
  public init(
    _ code: Code, _ message: String, at place: Place = Place(), snippet: String? = nil,
    causes: [TinctureError] = []
  ) {
    self.code = code
    self.message = message
    self.place = place
    self.snippet = snippet
    self.causes = causes
  }

  /// The same failure with the parts of the place that were not known yet.
  public func located(
    file: String? = nil, model: String? = nil, tensor: String? = nil
  ) -> TinctureError {
    var copy = self
    copy.place.file = place.file ?? file
    copy.place.model = place.model ?? model
    copy.place.tensor = place.tensor ?? tensor
    return copy
  }
}

extension TinctureError.Place: CustomStringConvertible {
  /// The parts that are known, in a fixed order, joined by commas.
  public var description: String {
    var parts: [String] = []
    if let file {
      var text = file
      if let line { text += ":\(line)" }
      if line != nil, let column { text += ":\(column)" }
      parts.append(text)
    } else if let line {
      parts.append("line \(line)" + (column.map { ", column \($0)" } ?? ""))
    }
    // A model that is a file of its own need not be named twice.
    if let model, model != file { parts.append("model \(model)") }
    if let tensor { parts.append("tensor \(tensor)") }
    if let byteOffset { parts.append("byte \(byteOffset)") }
    return parts.joined(separator: ", ")
  }
}

extension TinctureError: CustomStringConvertible {
  /// The place and the message on one line.
  public var description: String {
    let place = place.description
    return place.isEmpty ? message : "\(place): \(message)"
  }

  /// The description, the snippet and the causes, each on lines of their own; of very many causes the first ones.
  public var detailedDescription: String {
    var text = description
    if let snippet { text += "\n" + snippet }
    let shown = causes.count > Self.longestList ? causes.prefix(Self.longestList - 1) : causes[...]
    for cause in shown {
      let lines = cause.detailedDescription.split(separator: "\n", omittingEmptySubsequences: false)
      text += "\n  - " + lines.joined(separator: "\n    ")
    }
    if shown.count < causes.count { text += "\n  - and \(causes.count - shown.count) more" }
    return text
  }

  /// How many causes are listed at most.
  private static let longestList = 40
}
