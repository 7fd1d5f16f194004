import TinctureCheckpoints
import TinctureJSON
import TinctureTensors

/// The tokens to which a model's files give roles: begin, end, padding, unknown.
struct TokenRoles {
  private let tokenizer: Tokenizer

  init(_ tokenizer: Tokenizer) { self.tokenizer = tokenizer }

  /// The spelling of the token that has a role, or nil when no file names it.
  func token(_ role: String) -> String? {
    for object in [tokenizer.configuration, tokenizer.specialTokensMap] {
      guard let value = object?[role] else { continue }
      if let token = value.stringValue ?? value["content"]?.stringValue { return token }
    }
    return nil
  }

  /// The id of the token that has a role.
  ///
  /// - Parameters:
  ///   - role: The role, such as `pad_token`.
  ///   - fallback: The usual spelling.
  /// - Returns: The id.
  /// - Throws: `checkpoint` when the vocabulary does not have the token.
  func id(_ role: String, or fallback: String) throws(TinctureError) -> Int {
    let token = token(role) ?? fallback
    guard let id = tokenizer.vocabulary.id(of: token) else {
      throw TinctureError(
        .checkpoint, "The vocabulary lacks the token \(token), which is the tokenizer's \(role).")
    }
    return id
  }

  /// How many tokens the model takes, where a file says so; huge numbers stand for no limit.
  var lengthLimit: Int? {
    guard let limit = tokenizer.configuration?["model_max_length"]?.intValue, limit > 0,
      limit < 1 << 40
    else { return nil }
    return limit
  }
}
