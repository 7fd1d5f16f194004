import TinctureCheckpoints
import TinctureJSON
import TinctureTensors

/// What the files of a byte-pair tokenizer say.
struct BytePairSettings {
  var merges: [(String, String)] = []
  var spelling = BytePairTokenizer.Spelling()
  var pattern = WordPattern.gpt2
  var addsSpace = false
  var endOfWord = ""
  var takesWholeWords = false
  var unknown: String?
  var markers = MarkerTemplate.none

  /// Reads `tokenizer.json`.
  ///
  /// - Throws: `checkpoint` when a step is not known.
  init(document: ConfigurationReader) throws(TinctureError) {
    guard let model = try document.section("model") else {
      throw TinctureError(.checkpoint, "tokenizer.json has no model.")
    }
    for item in model.value("merges")?.arrayValue ?? [] {
      // Older files have a text, newer ones a pair.
      let pair =
        item.arrayValue?.compactMap(\.stringValue)
        ?? item.stringValue?.split(separator: " ").map(String.init) ?? []
      guard pair.count == 2 else { throw model.refusal("merges", "must be pairs of tokens") }
      merges.append((pair[0], pair[1]))
    }
    try model.expect("byte_fallback", .bool(false))
    try model.expect("fuse_unk", .bool(false))
    try model.expect("continuing_subword_prefix", .string(""))
    try model.expect("dropout", .number("0"))
    endOfWord = try model.text("end_of_word_suffix", or: "")
    takesWholeWords = try model.flag("ignore_merges", or: false)
    unknown = model.value("unk_token")?.stringValue
    for step in try document.steps("normalizer", list: "normalizers") {
      try readNormalizer(step)
    }
    let splitters = try document.steps("pre_tokenizer", list: "pretokenizers")
    guard let last = splitters.last, try last.text("type") == "ByteLevel", splitters.count <= 2
    else {
      throw document.refusal("pre_tokenizer", "must be ByteLevel, or a Split before ByteLevel")
    }
    addsSpace = try last.flag("add_prefix_space", or: true)
    if splitters.count == 2 {
      try readSplit(splitters[0])
    } else {
      try last.expect("use_regex", .bool(true))
    }
    markers = try MarkerTemplate(document)
  }

  private mutating func readNormalizer(_ step: ConfigurationReader) throws(TinctureError) {
    switch try step.text("type") {
    case "NFC": spelling.composes = true
    case "Lowercase": spelling.lowercases = true
    case "Replace":
      guard step.value("pattern")?["Regex"]?.stringValue == #"\s+"#, try step.text("content") == " "
      else { throw step.refusal("pattern", #"is supported only as white space, \s+, by a space"#) }
      spelling.joinsSpaces = true
    default: throw step.refusal("type", "must be NFC, Lowercase or Replace")
    }
  }

  private mutating func readSplit(_ step: ConfigurationReader) throws(TinctureError) {
    guard try step.text("type") == "Split" else {
      throw step.refusal("type", "is supported only as Split before ByteLevel")
    }
    let expression = step.value("pattern")?["Regex"]?.stringValue
    guard let expression, let pattern = WordPattern(expression: expression) else {
      throw step.refusal("pattern", "is none of the expressions of GPT-2, CLIP, Llama 3 and Qwen 2")
    }
    let isInverted = try step.flag("invert", or: false)
    let behavior = try step.text("behavior")
    guard
      pattern.dropsRest && behavior == "Removed" && isInverted
        || !pattern.dropsRest && (behavior == "Isolated" || behavior == "Removed" && isInverted)
    else { throw step.refusal("behavior", "is not supported with this pattern") }
    self.pattern = pattern
  }

  /// Takes the steps from the class that `tokenizer_config.json` names, and merges from `merges.txt`.
  ///
  /// - Throws: `checkpoint` when the class is not known or a line is no pair.
  init(_ tokenizer: Tokenizer, merges text: String) throws(TinctureError) {
    let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
    for (index, line) in lines.enumerated() {
      if line.isEmpty || index == 0 && line.hasPrefix("#version") { continue }
      let pair = line.split(separator: " ").map(String.init)
      guard pair.count == 2 else {
        throw TinctureError(
          .checkpoint, "Line \(index + 1) of merges.txt must be two tokens with a space between.")
      }
      merges.append((pair[0], pair[1]))
    }
    let settings = try ConfigurationReader(.object(tokenizer.configuration ?? JSONObject()))
    let roles = TokenRoles(tokenizer)
    var name = try settings.text("tokenizer_class")
    if name.hasSuffix("Fast") { name.removeLast(4) }
    switch name {
    case "GPT2Tokenizer":
      addsSpace = try settings.flag("add_prefix_space", or: false)
      unknown = roles.token("unk_token")
    case "RobertaTokenizer":
      addsSpace = try settings.flag("add_prefix_space", or: false)
      let begin = try roles.id("cls_token", or: "<s>")
      markers = .between(begin, try roles.id("sep_token", or: "</s>"))
    case "CLIPTokenizer":
      spelling = .init(composes: true, joinsSpaces: true, lowercases: true)
      (pattern, endOfWord) = (.clip, "</w>")
      unknown = roles.token("unk_token") ?? "<|endoftext|>"
      let begin = try roles.id("bos_token", or: "<|startoftext|>")
      markers = .between(begin, try roles.id("eos_token", or: "<|endoftext|>"))
    case "Qwen2Tokenizer":
      spelling.composes = true
      pattern = .llama3(digits: 1)
    default:
      throw settings.refusal(
        "tokenizer_class",
        "must be GPT2Tokenizer, RobertaTokenizer, CLIPTokenizer or Qwen2Tokenizer without tokenizer.json"
      )
    }
  }
}

extension ConfigurationReader {
  /// The steps of a sequence, or the one step that stands alone; none when there is no such setting.
  fileprivate func steps(
    _ key: String, list: String
  ) throws(TinctureError) -> [ConfigurationReader] {
    guard let step = try section(key) else { return [] }
    return try step.text("type") == "Sequence" ? try step.sections(list) : [step]
  }
}
