import SystemPackage
import Testing
import TinctureCheckpoints
import TinctureTensors

@Suite("Finding models")
struct ModelLocatorTests {
  static let first = "1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d"
  static let second = "1a2bffff5e6f708192a3b4c5d6e7f8091a2b3c4d"

  /// A home with a cache in which `org/name` has two commits.
  private func home() throws -> ScratchFolder {
    let home = try ScratchFolder()
    let model = ".cache/huggingface/hub/models--org--name/"
    try home.write(model + "blobs/abc", "{}")
    for commit in [Self.first, Self.second] {
      try home.link(model + "snapshots/\(commit)/config.json", to: "../../blobs/abc")
    }
    try home.write(model + "refs/main", Self.first)
    try home.write(model + "refs/refs/pr/7", Self.second + "\n")
    try home.write(model + "refs/old", "00000000")
    try home.write(model + "refs/odd", "../../../..")
    return home
  }

  private func snapshot(_ home: ScratchFolder, _ commit: String) -> FilePath {
    home.path.appending(".cache/huggingface/hub/models--org--name/snapshots").appending(commit)
  }

  @Test(
    "A name on the hub leads to the snapshot of its revision",
    arguments: [
      ("org/name", nil, first), ("org/name@main", nil, first), ("org/name", "main", first),
      ("org/name@refs/pr/7", nil, second), ("org/name@" + second, nil, second),
      ("org/name@1a2b3", nil, first), ("org/name", "1A2BF", second),
    ] as [(String, String?, String)])
  func revisions(reference: String, revision: String?, commit: String) throws {
    let home = try home()
    let locator = ModelLocator(environment: ["HOME": home.path.string])
    let location = try locator.locate(reference, revision: revision)
    #expect(location.path == snapshot(home, commit))
    #expect(location.hubIdentifier == "org/name")
    #expect(location.commit == commit)
  }

  @Test(
    "A revision that is not there is refused with those that are",
    arguments: ["v2", "1a2b", "dead", "../main", "/main", "", "refs", "old"])
  func missingRevision(revision: String) throws {
    let home = try home()
    let locator = ModelLocator(environment: ["HOME": home.path.string])
    let error = #expect(throws: TinctureError.self) {
      try locator.locate("org/name", revision: revision)
    }
    #expect(error?.code == .missingInput)
    for name in ["main", "refs/pr/7", Self.first, Self.second] {
      #expect(error?.message.contains(name) == true)
    }
  }

  @Test("A reference to no commit is refused instead of followed")
  func hostileReference() throws {
    let home = try home()
    let locator = ModelLocator(environment: ["HOME": home.path.string])
    let error = #expect(throws: TinctureError.self) { try locator.locate("org/name@odd") }
    #expect(error?.code == .checkpoint)
  }

  @Test("A path that exists wins, also with an at sign in it")
  func localPaths() throws {
    let home = try home()
    try home.write("models/a@b/config.json")
    try home.write("file.safetensors")
    let locator = ModelLocator(environment: ["HOME": home.path.string])
    #expect(try locator.locate("~/models/a@b").path == home.path.appending("models/a@b"))
    #expect(try locator.locate("~/models/a@b").hubIdentifier == nil)
    #expect(
      try locator.locate(home.path.appending("file.safetensors").string).path
        == home.path.appending("file.safetensors"))
    #expect(try locator.locate("~").path == home.path)
  }

  @Test("A local folder has no revisions", arguments: ["~/models@main", "~/models"])
  func localRevision(reference: String) throws {
    let home = try home()
    try home.makeFolder("models")
    let locator = ModelLocator(environment: ["HOME": home.path.string])
    let error = #expect(throws: TinctureError.self) {
      try locator.locate(reference, revision: reference.contains("@") ? nil : "main")
    }
    #expect(error?.message.contains("no revision") == true)
  }

  @Test(
    "The settings of the hub say where the cache is",
    arguments: [
      ("HF_HUB_CACHE", "hub"), ("HUGGINGFACE_HUB_CACHE", "hub"), ("HF_HOME", ""),
      ("TRANSFORMERS_CACHE", "hub"),
    ])
  func cacheSettings(name: String, tail: String) throws {
    let home = try home()
    let base = home.path.appending(".cache/huggingface").appending(tail).string
    let locator = ModelLocator(environment: [name: base])
    #expect(try locator.locate("org/name").commit == Self.first)
  }

  @Test("Caches are searched in order and home folders in settings are expanded")
  func cacheOrder() {
    let locator = ModelLocator(environment: [
      "HOME": "/h", "HF_HOME": "~/x", "XDG_CACHE_HOME": "/x/../c", "HF_HUB_CACHE": "/a",
      "HUGGINGFACE_HUB_CACHE": "", "TRANSFORMERS_CACHE": "/a",
    ])
    #expect(
      locator.cacheFolders.map(\.string)
        == ["/a", "/h/x/hub", "/c/huggingface/hub", "/h/.cache/huggingface/hub"])
  }

  @Test("A model that is nowhere is refused with the places searched and the way to get it")
  func missingModel() throws {
    let home = try home()
    let locator = ModelLocator(environment: ["HOME": home.path.string])
    let error = #expect(throws: TinctureError.self) { try locator.locate("org/other@v1") }
    #expect(error?.code == .missingInput)
    #expect(error?.message.contains("hf download org/other --revision v1") == true)
    #expect(error?.message.contains(home.path.string + "/.cache/huggingface/hub") == true)
    #expect(error?.message.contains("OFFLINE") == false)
    #expect(error?.place.model == "org/other@v1")
  }

  @Test("The setting that forbids downloads is named")
  func offline() {
    let locator = ModelLocator(environment: ["TRANSFORMERS_OFFLINE": "1", "HF_HUB_OFFLINE": "0"])
    let error = #expect(throws: TinctureError.self) { try locator.locate("org/other") }
    #expect(error?.message.contains("TRANSFORMERS_OFFLINE") == true)
    #expect(error?.message.contains("HF_HUB_OFFLINE") == false)
  }

  @Test("A name in the wrong case is pointed out")
  func wrongCase() throws {
    let home = try home()
    let locator = ModelLocator(environment: ["HOME": home.path.string])
    let error = #expect(throws: TinctureError.self) { try locator.locate("Org/Name") }
    #expect(error?.message.contains("'org/name'") == true)
  }

  @Test(
    "What is neither a path nor a name on the hub is refused",
    arguments: [
      "", "a/b/c", "../no such folder/x", "org/..", "org/na--me", "/no/such", "./no", "org/", "a b",
      "a\0b",
      "@main", "expert.safetensors", "models/experts.bank", String(repeating: "x", count: 5_000),
    ])
  func noName(reference: String) {
    let locator = ModelLocator(environment: ["HF_HUB_CACHE": "/nowhere"])
    let error = #expect(throws: TinctureError.self) { try locator.locate(reference) }
    #expect(error?.code == .missingInput)
    #expect(error?.message.contains("hf download") == false)
  }
}
