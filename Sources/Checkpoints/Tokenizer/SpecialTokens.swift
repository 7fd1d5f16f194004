import SystemPackage
import TinctureJSON
import TinctureTensors

/// The roles that `tokenizer_config.json` and `special_tokens_map.json` give to tokens.
enum SpecialTokens {
  private static let roles = [
    "bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token",
  ]
  private static let lists = ["additional_special_tokens", "extra_special_tokens"]

  /// The tokens that have roles, each once.
  ///
  /// - Throws: `checkpoint` with the file when an entry is malformed.
  static func named(
    in configuration: JSONObject?, and map: JSONObject?, directory: FilePath
  ) throws(TinctureError) -> [AddedToken] {
    var seen: Set<ExactString> = []
    var tokens: [AddedToken] = []
    let files = [("tokenizer_config.json", configuration), ("special_tokens_map.json", map)]
    for (file, object) in files {
      guard let object else { continue }
      do {
        for value in values(of: object) {
          let token = try AddedToken(value, isSpecial: true)
          if seen.insert(token.token).inserted { tokens.append(token) }
        }
      } catch {
        throw error.located(file: directory.appending(file).string)
      }
    }
    return tokens
  }

  private static func values(of object: JSONObject) -> [JSONValue] {
    var values = roles.compactMap { object[$0] }.filter(isToken)
    for list in lists {
      switch object[list] {
      case .array(let items): values += items.filter(isToken)
      case .object(let members): values += members.members.map(\.value).filter(isToken)
      default: break
      }
    }
    return values
  }

  private static func isToken(_ value: JSONValue) -> Bool {
    value.stringValue != nil || value.objectValue != nil
  }

  /// A copy of a file's contents without the roles of tokens that are gone, and the roles left out.
  static func removing(_ tokens: Set<ExactString>, from object: JSONObject)
    -> (object: JSONObject, vacant: [String])
  {
    func isGone(_ value: JSONValue) -> Bool {
      let content = value.stringValue ?? value["content"]?.stringValue
      return content.map { tokens.contains(ExactString($0)) } ?? false
    }
    var kept: [(String, JSONValue)] = []
    var vacant: [String] = []
    for (key, value) in object.members {
      if roles.contains(key), isGone(value) {
        vacant.append(key)
      } else if lists.contains(key), let items = value.arrayValue {
        kept.append((key, .array(items.filter { !isGone($0) })))
      } else if lists.contains(key), let members = value.objectValue?.members {
        let remaining = members.filter { !isGone($0.value) }
        kept.append((key, .object(JSONObject(remaining.map { ($0.key, $0.value) }))))
      } else {
        kept.append((key, value))
      }
    }
    return (JSONObject(kept), vacant)
  }
}
