import Foundation
import Testing

#if canImport(FoundationXML)
  import FoundationXML
#endif

@Suite("The page of a bank", .timeLimit(.minutes(25)))
struct BankPageTests {
  let workshop: Workshop
  private static let hostile = "</title><script>alert('1')</script>&lt;\u{202e}.weight"

  init() throws {
    workshop = try Workshop()
    var base = TinyModel.llama()
    base.add(.f32, [(Self.hostile, [8, 8])], seed: 3)
    try base.write("base", in: workshop)
    for (seed, name) in ["cars", "sun"].enumerated() {
      try base.tuned(seed + 1, by: 0.01).write(name, in: workshop)
    }
  }

  private func create(_ codec: String) async throws {
    let run = try await workshop.tincture(
      "bank", "create", "--base", "base", "--expert", "cars=cars", "--expert", "sun=sun",
      "--codec", codec, "--output", "x.bank")
    expect(run, ends: 0)
  }

  private func page(_ name: String) throws -> XMLDocument {
    try XMLDocument(data: Data(contentsOf: workshop.url(name)))
  }

  /// The texts that a path through the page finds.
  private func find(_ path: String, in page: XMLDocument) throws -> [String] {
    try page.nodes(forXPath: path).map { $0.stringValue ?? "" }
  }

  @Test(
    "The page is well-formed and has every expert and the numbers of --json",
    arguments: ["rtvq", "tvq", "tall", "raw"])
  func numbers(codec: String) async throws {
    try await create(codec)
    let run = try await workshop.tincture("bank", "show", "x.bank", "--html", "x.html")
    expect(run, ends: 0)
    #expect(run.output.hasPrefix("x.html: "))
    let page = try page("x.html")
    let shown = try await workshop.tincture("bank", "show", "x.bank", "--json")
    let json = try #require(
      JSONSerialization.jsonObject(with: Data(shown.output.utf8)) as? [String: Any])
    let values = Set(try find("//*[local-name()='data']/@value", in: page))
    // As they are spelled: reading them as numbers may round.
    let numbers = shown.output.matches(of: /"(\w+)": ([0-9][0-9.e+-]*)/)
    #expect(numbers.count == 4 + 2 * 4)
    for number in numbers {
      #expect(values.contains(String(number.2)), "\(number.1) \(number.2)")
    }
    let cells = Set(try find("//*[local-name()='td']", in: page))
    for expert in try #require(json["experts"] as? [[String: Any]]) {
      for key in ["name", "codec", "source"] {
        #expect(cells.contains(try #require(expert[key] as? String)))
      }
    }
    // Every tensor that is stored has a row for each expert.
    for name in ["cars", "sun"] {
      let rows = "//*[local-name()='tr'][*[local-name()='td'][2]='\(name)']/*[1]"
      let tensors = try find(rows, in: page)
      #expect(tensors.contains("model.layers.1.mlp.up_proj.weight"))
    }
  }

  @Test("Names are shown and are never markup; nothing is fetched or run")
  func hostileNames() async throws {
    try await create("rtvq")
    expect(try await workshop.tincture("bank", "show", "x.bank", "--html", "x.html"), ends: 0)
    let page = try page("x.html")
    let shown = Self.hostile.replacingOccurrences(of: "\u{202e}", with: "\u{fffd}")
    #expect(try find("//*[local-name()='td']", in: page).contains(shown))
    for element in ["script", "link", "img", "iframe", "object", "a"] {
      #expect(try find("//*[local-name()='\(element)']", in: page).isEmpty, "\(element)")
    }
    for attribute in ["@src", "@href", "@style", "@*[starts-with(local-name(), 'on')]"] {
      #expect(try find("//\(attribute)", in: page).isEmpty, "\(attribute)")
    }
    #expect(try find("//*[local-name()='title']", in: page).first == "Expert bank x.bank")
  }

  @Test("The same bank gives the same bytes")
  func deterministic() async throws {
    try await create("rtvq")
    for name in ["x.html", "y.html"] {
      expect(try await workshop.tincture("bank", "show", "x.bank", "--html", name), ends: 0)
    }
    #expect(
      try Data(contentsOf: workshop.url("x.html")) == Data(contentsOf: workshop.url("y.html")))
  }

  @Test("A page that exists stays, unless --force replaces it; what it describes stays always")
  func existing() async throws {
    try await create("tvq")
    try workshop.write("x.html", "mine")
    let refused = try await workshop.tincture("bank", "show", "x.bank", "--html", "x.html")
    expect(refused, ends: 73)
    #expect(refused.errors.contains("--force"))
    #expect(try workshop.text("x.html") == "mine")
    let replaced = try await workshop.tincture(
      "bank", "show", "x.bank", "--html", "x.html", "--force", "--json")
    expect(replaced, ends: 0)
    let size = try Data(contentsOf: workshop.url("x.html")).count
    #expect(replaced.output.contains("\"output_bytes\": \(size)"))
    let bank = try Data(contentsOf: workshop.url("x.bank"))
    let itself = try await workshop.tincture(
      "bank", "show", "x.bank", "--html", "./x.bank", "--force")
    expect(itself, ends: 73)
    #expect(try Data(contentsOf: workshop.url("x.bank")) == bank)
    let nowhere = try await workshop.tincture("bank", "show", "x.bank", "--html", "no/x.html")
    expect(nowhere, ends: 73)
    expect(try await workshop.tincture("bank", "show", "x.bank", "--force"), ends: 64)
    let hidden = try workshop.names().filter { $0.hasPrefix(".") }
    #expect(hidden.isEmpty, "\(hidden)")
  }

  @Test("A page that does not fit on the disk is not left behind")
  func fullDisk() async throws {
    try await create("tvq")
    let run = try await workshop.shell(
      "ulimit -f 8; \"$TINCTURE\" bank show x.bank --html x.html")
    expect(run, ends: 74)
    #expect(run.errors.contains("Free some space"))
    #expect(try workshop.names() == ["base", "cars", "sun", "x.bank"])
  }
}
