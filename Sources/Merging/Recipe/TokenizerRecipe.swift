/// How the vocabulary of the output and the embeddings of its tokens are made.
public struct TokenizerRecipe: Sendable, Hashable {
  /// Where the vocabulary comes from.
  public enum Source: Sendable, Hashable {
    /// The tokens of all models.
    case union
    /// The tokens of the base.
    case base
    /// The tokens of one model.
    case model(ModelReference)
  }

  /// Where the vocabulary comes from.
  public var source: Source
  /// Rules for single tokens, in the order in which they were written.
  public var rules: [TokenRule]
  /// The number of which the size of the vocabulary shall be a multiple.
  public var padToMultipleOf: Int?
  /// Where the source is named, or else the section begins.
  public var position: SourcePosition

  /// Creates the section.
  public init(
    source: Source = .union, rules: [TokenRule] = [], padToMultipleOf: Int? = nil,
    position: SourcePosition
  ) {
    self.source = source
    self.rules = rules
    self.padToMultipleOf = padToMultipleOf
    self.position = position
  }
}

/// What one token's embedding is.
public struct TokenRule: Sendable, Hashable {
  /// Where the embedding comes from.
  public enum Source: Sendable, Hashable {
    /// The same token of a model.
    case model(ModelReference)
    /// Zeros.
    case zero
    /// Another token of a model.
    case token(String, of: ModelReference)
    /// The row of a model's embedding with this number.
    case tokenID(Int, of: ModelReference)
  }

  /// The token, byte for byte.
  public var token: String
  /// Where its embedding comes from; nil for the usual rules.
  public var source: Source?
  /// Whether the embedding replaces also those that models have of their own.
  public var isForced: Bool
  /// Where the token is named.
  public var position: SourcePosition

  /// Creates a rule.
  public init(token: String, source: Source?, isForced: Bool = false, position: SourcePosition) {
    self.token = token
    self.source = source
    self.isForced = isForced
    self.position = position
  }
}
