import TinctureJSON
import TinctureTensors

/// Where markers of begin and end stand around a text or a pair of texts.
struct MarkerTemplate: Sendable, Hashable {
  /// A part of the result.
  enum Part: Sendable, Hashable {
    case markers([Int], type: Int)
    case first(type: Int)
    case second(type: Int)
  }

  var single: [Part]
  var pair: [Part]

  /// No markers.
  static let none = MarkerTemplate(
    single: [.first(type: 0)], pair: [.first(type: 0), .second(type: 0)])

  /// begin text end, and begin first end end second end: RoBERTa's and CLIP's.
  static func between(_ begin: Int, _ end: Int) -> MarkerTemplate {
    MarkerTemplate(
      single: [.markers([begin], type: 0), .first(type: 0), .markers([end], type: 0)],
      pair: [
        .markers([begin], type: 0), .first(type: 0), .markers([end, end], type: 0),
        .second(type: 0), .markers([end], type: 0),
      ])
  }

  func apply(_ first: [Int], _ second: [Int]?) -> EncodedText {
    var text = EncodedText(ids: [], types: [])
    for part in second == nil ? single : pair {
      let (ids, type) =
        switch part {
        case .markers(let ids, let type): (ids, type)
        case .first(let type): (first, type)
        case .second(let type): (second ?? [], type)
        }
      text.ids += ids
      text.types += Array(repeating: type, count: ids.count)
    }
    return text
  }
}

extension MarkerTemplate {
  /// Reads the `post_processor` of `tokenizer.json`.
  ///
  /// - Throws: `checkpoint` when it is malformed or of an unknown type.
  init(_ document: ConfigurationReader) throws(TinctureError) {
    self = .none
    if let processor = try document.section("post_processor") {
      try self.init(processor: processor)
    }
  }

  private init(processor: ConfigurationReader) throws(TinctureError) {
    self = .none
    switch try processor.text("type") {
    case "ByteLevel": return
    case "RobertaProcessing", "BertProcessing":
      guard let begin = processor.value("cls")?.arrayValue?.last?.intValue,
        let end = processor.value("sep")?.arrayValue?.last?.intValue
      else { throw processor.refusal("cls", "and \"sep\" must be pairs of a token and its id") }
      self = .between(begin, end)
      if try processor.text("type") == "BertProcessing" {
        pair = single + [.second(type: 1), .markers([end], type: 1)]
      }
    case "TemplateProcessing":
      single = try processor.template("single")
      pair = try processor.template("pair")
    case "Sequence":
      for step in try processor.sections("processors") {
        let next = try MarkerTemplate(processor: step)
        if next != .none { self = next }
      }
    default:
      throw processor.refusal(
        "type",
        "must be ByteLevel, RobertaProcessing, BertProcessing, TemplateProcessing or a Sequence of them"
      )
    }
  }
}

extension ConfigurationReader {
  /// The parts of a template.
  fileprivate func template(_ key: String) throws(TinctureError) -> [MarkerTemplate.Part] {
    let table = value("special_tokens")
    var parts: [MarkerTemplate.Part] = []
    for item in value(key)?.arrayValue ?? [] {
      if let special = item["SpecialToken"], let name = special["id"]?.stringValue {
        let ids = table?[name]?["ids"]?.arrayValue?.compactMap(\.intValue) ?? []
        guard !ids.isEmpty else { throw refusal("special_tokens", "has no ids of \(name)") }
        parts.append(.markers(ids, type: special["type_id"]?.intValue ?? 0))
      } else if let sequence = item["Sequence"], let name = sequence["id"]?.stringValue {
        let type = sequence["type_id"]?.intValue ?? 0
        parts.append(name == "A" ? .first(type: type) : .second(type: type))
      } else {
        throw refusal(key, "has a part that is neither a SpecialToken nor a Sequence")
      }
    }
    guard !parts.isEmpty else { throw refusal(key, "must be a list of parts") }
    return parts
  }
}
