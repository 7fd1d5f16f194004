internal import SystemPackage
internal import TinctureTensors

/// One model in a cache folder of the Hugging Face hub.
///
/// The folder of a model holds `refs`, small files that name a commit, and `snapshots`, one folder
/// of links for each commit.
struct HubCache {
  private let identifier: String
  private let folder: FilePath

  /// - Parameters:
  ///   - folder: The cache folder.
  ///   - identifier: The name of the model; it must be one that `isIdentifier` accepts.
  init(folder: FilePath, identifier: String) {
    self.identifier = identifier
    self.folder = folder.appending(Self.folderName(identifier))
  }

  /// Whether a text can be the name of a model on the hub.
  static func isIdentifier(_ text: String) -> Bool {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    guard (1...2).contains(parts.count), text.utf8.count <= 200 else { return false }
    return parts.allSatisfy { part in
      guard let first = part.utf8.first, let last = part.utf8.last else { return false }
      let inner = part.utf8.allSatisfy {
        isAlphanumeric($0) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_")
          || $0 == UInt8(ascii: ".")
      }
      return inner && first != UInt8(ascii: ".") && first != UInt8(ascii: "-")
        && last != UInt8(ascii: ".") && last != UInt8(ascii: "-")
        && !part.contains("--") && !part.contains("..")
    }
  }

  /// A model of the cache whose name differs only in case, when there is one.
  static func identifier(in folder: FilePath, like identifier: String) throws(TinctureError)
    -> String?
  {
    let wanted = folderName(identifier).lowercased()
    guard
      let match = try FolderListing.names(in: folder)?.first(where: { $0.lowercased() == wanted })
    else { return nil }
    return String(match.dropFirst("models--".count)).replacing("--", with: "/")
  }

  /// Whether the cache knows the model at all.
  func exists() throws(TinctureError) -> Bool {
    try SmallFile.status(of: folder)?.type == .directory
  }

  /// The commit and the folder of a revision.
  ///
  /// - Throws: `missingInput` with the revisions that are there.
  func snapshot(revision: String, reference: String) throws(TinctureError) -> (String, FilePath) {
    let commits = try FolderListing.names(in: folder.appending("snapshots")) ?? []
    if let commit = try commit(named: revision) {
      guard commits.contains(commit) else {
        throw failure(
          "The revision '\(revision)' of '\(identifier)' is the commit \(commit), which is not in "
            + "the cache any more", reference, commits, wanted: revision)
      }
      return (commit, path(of: commit))
    }
    if commits.contains(revision) { return (revision, path(of: revision)) }
    let isHash = revision.utf8.count >= 4 && revision.utf8.allSatisfy(Self.isHexadecimal)
    let matches = isHash ? commits.filter { $0.hasPrefix(revision.lowercased()) } : []
    if let match = matches.first, matches.count == 1 { return (match, path(of: match)) }
    if matches.count > 1 {
      throw failure(
        "The hash '\(revision)' fits \(matches.count) commits of '\(identifier)'; write more of it",
        reference, commits, wanted: nil)
    }
    throw failure(
      "The cache has '\(identifier)', but not its revision '\(revision)'", reference, commits,
      wanted: revision)
  }

  private func path(of commit: String) -> FilePath {
    folder.appending("snapshots").appending(commit)
  }

  /// The commit that a branch, a tag or a pull request stands for, when the cache has noted it.
  private func commit(named revision: String) throws(TinctureError) -> String? {
    let parts = revision.split(separator: "/", omittingEmptySubsequences: false)
    guard revision.utf8.count <= 200,
      parts.allSatisfy({ !$0.isEmpty && $0 != "." && $0 != ".." && !$0.utf8.contains(0) })
    else { return nil }
    var path = folder.appending("refs")
    for part in parts { path.append(String(part)) }
    guard try SmallFile.status(of: path)?.type == .regular,
      let bytes = try SmallFile.contents(of: path, limit: 1 << 10)
    else { return nil }
    let hash = bytes.drop(while: Self.isSpace).prefix { !Self.isSpace($0) }
    guard !hash.isEmpty, hash.allSatisfy(Self.isHexadecimal) else {
      throw TinctureError(
        .checkpoint, "The file holds no commit hash; download the model again.",
        at: .init(file: path.string))
    }
    return String(decoding: hash, as: UTF8.self)
  }

  private func failure(
    _ message: String, _ reference: String, _ commits: [String], wanted: String?
  ) -> TinctureError {
    let named = (try? references(below: folder.appending("refs"), prefix: "", depth: 0)) ?? []
    let available = named + commits
    var text = available.prefix(20).joined(separator: ", ")
    if available.count > 20 { text += " and \(available.count - 20) more" }
    let download = wanted.map {
      " or run: hf download \(identifier) --revision \(ShellWord.quoted($0))"
    }
    return TinctureError(
      .missingInput,
      "\(message). Choose one that is there (\(text.isEmpty ? "none" : text))"
        + (download ?? ".") + (download == nil ? "" : "."), at: .init(model: reference))
  }

  private func references(below path: FilePath, prefix: String, depth: Int) throws(TinctureError)
    -> [String]
  {
    guard depth < 4, let names = try FolderListing.names(in: path) else { return [] }
    var found: [String] = []
    for name in names.prefix(100) {
      let inner = path.appending(name)
      if try SmallFile.status(of: inner)?.type == .directory {
        found += try references(below: inner, prefix: prefix + name + "/", depth: depth + 1)
      } else {
        found.append(prefix + name)
      }
    }
    return found
  }

  private static func folderName(_ identifier: String) -> String {
    "models--" + identifier.split(separator: "/").joined(separator: "--")
  }

  private static func isAlphanumeric(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"):
      true
    default: false
    }
  }

  private static func isHexadecimal(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"),
      UInt8(ascii: "A")...UInt8(ascii: "F"):
      true
    default: false
    }
  }

  private static func isSpace(_ byte: UInt8) -> Bool {
    byte == 0x20 || (0x09...0x0D).contains(byte)
  }
}
