import TinctureMerging
import TinctureTensors

extension RecipeDecoder {
  /// The section `tokenizer`, or its short form `tokenizer_source`.
  mutating func tokenizer(_ members: YAMLMembers) -> TokenizerRecipe? {
    let long = members.member("tokenizer")
    let short = members.member("tokenizer_source")
    if let long, let short {
      let later = max(long.position, short.position)
      report(later, "'tokenizer' and 'tokenizer_source' exclude each other; write one of them.")
    }
    if let long { return tokenizer(long.value) }
    return short.flatMap { tokenizer(source: $0.value) }
  }

  /// The short form of the section: only the source.
  mutating func tokenizer(source node: YAMLNode) -> TokenizerRecipe? {
    tokenizerSource(node).map { TokenizerRecipe(source: $0, position: node.position) }
  }

  private mutating func tokenizer(_ node: YAMLNode) -> TokenizerRecipe? {
    let keys = ["source", "tokens", "pad_to_multiple_of"]
    guard let members = members(of: node, keys: keys, in: "'tokenizer'") else { return nil }
    var tokenizer = TokenizerRecipe(position: members["source"]?.position ?? node.position)
    if let node = members["source"] {
      guard let source = tokenizerSource(node) else { return nil }
      tokenizer.source = source
    }
    let limit = 1...1 << 20
    tokenizer.padToMultipleOf =
      integer(members["pad_to_multiple_of"], "'pad_to_multiple_of'", in: limit)?.value
    if let node = members["tokens"] { tokenizer.rules = tokenRules(node) }
    return tokenizer
  }

  private mutating func tokenizerSource(_ node: YAMLNode) -> TokenizerRecipe.Source? {
    switch node.scalar?.text {
    case "union": .union
    case "base": .base
    default: model(node).map { .model($0) }
    }
  }

  private mutating func tokenRules(_ node: YAMLNode) -> [TokenRule] {
    guard let members = node.mapping else {
      report(node.position, "'tokens' must map tokens to rules, but this is \(node.kind).")
      return []
    }
    var rules: [TokenRule] = []
    for member in members {
      guard !member.name.isEmpty else {
        report(member.position, "A token is empty.")
        continue
      }
      let place = "the rule of the token '\(Self.shortened(member.name))'"
      guard let rule = self.members(of: member.value, keys: ["source", "force"], in: place) else {
        continue
      }
      let isForced = rule["force"].flatMap { flag($0, "'force'") } ?? false
      var source: TokenRule.Source?
      if let node = rule["source"] {
        source = tokenSource(node)
      } else if isForced {
        report(
          member.position, "The token '\(Self.shortened(member.name))' is forced to no source.")
      }
      rules.append(
        TokenRule(
          token: member.name, source: source, isForced: isForced, position: member.position))
    }
    return rules
  }

  private mutating func tokenSource(_ node: YAMLNode) -> TokenRule.Source? {
    guard node.mapping?.contains(where: { $0.name == "kind" }) ?? false else {
      return model(node).map { .model($0) }
    }
    let keys = ["kind", "model", "token", "token_id"]
    guard let members = members(of: node, keys: keys, in: "the source of a token") else {
      return nil
    }
    let kind = members["kind"]
    switch kind?.scalar?.text {
    case "zero":
      for key in keys.dropFirst() {
        if let extra = members.member(key) {
          report(extra.position, "The source 'zero' of a token takes no '\(key)'.")
        }
      }
      return .zero
    case "model_token": return otherToken(members)
    default:
      let position = kind?.position ?? node.position
      let found = kind?.kind ?? "nothing"
      report(
        position,
        "The kind of a token's source must be 'model_token' or 'zero', but this is "
          + "\(found).")
      return nil
    }
  }

  private mutating func otherToken(_ members: YAMLMembers) -> TokenRule.Source? {
    let named = namedModel(members, in: "the source of a token")
    let token = text(members["token"], "The token")?.value
    let number = integer(members["token_id"], "'token_id'", in: 0...Int(Int32.max))?.value
    switch (members["token"] != nil, members["token_id"] != nil) {
    case (true, true):
      report(members.position, "The source of a token takes 'token' or 'token_id', not both.")
      return nil
    case (false, false):
      reportMissing(
        ["token", "token_id"], of: members,
        "The source of a token needs a 'token' or a 'token_id'.")
      return nil
    default: break
    }
    guard let (reference, _) = named else { return nil }
    return token.map { .token($0, of: reference) } ?? number.map { .tokenID($0, of: reference) }
  }
}
