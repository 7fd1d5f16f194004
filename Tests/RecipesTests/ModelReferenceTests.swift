import Testing
import TinctureMerging
import TinctureTensors

@Suite("References to models")
struct ModelReferenceTests {
  typealias Case = (text: String, expected: ModelReference)

  @Test(
    "A reference is taken apart at '@', '#' and '+', and spelt the same again",
    arguments: [
      ("acme/base", ModelReference(path: "acme/base")),
      ("acme/base@main", ModelReference(path: "acme/base", revision: "main")),
      ("base+lora", ModelReference(path: "base", adapter: .init(path: "lora"))),
      (
        "base@v1+lora@v2",
        ModelReference(
          path: "base", revision: "v1", adapter: .init(path: "lora", revision: "v2"))
      ),
      ("experts.bank#cars", ModelReference(path: "experts.bank", expert: "cars")),
      (
        "e.bank@r#cars+l",
        ModelReference(path: "e.bank", revision: "r", adapter: .init(path: "l"), expert: "cars")
      ),
      ("./file.safetensors", ModelReference(path: "./file.safetensors")),
      ("~/models/x", ModelReference(path: "~/models/x")),
    ])
  func parts(text: String, expected: ModelReference) throws {
    let parsed = try reference(text)
    #expect(parsed == expected)
    #expect(parsed.description == text)
  }

  @Test(
    "Paths that exist are never taken apart",
    arguments: [
      ("runs/a+b", ["runs/a+b"], ModelReference(path: "runs/a+b")),
      ("me@home/x", ["me@home/x"], ModelReference(path: "me@home/x")),
      ("me@home/x@main", ["me@home/x"], ModelReference(path: "me@home/x", revision: "main")),
      ("a+b+c", ["a+b"], ModelReference(path: "a+b", adapter: .init(path: "c"))),
      ("a+b@c", ["b@c"], ModelReference(path: "a", adapter: .init(path: "b@c"))),
      ("a@b+c", ["a@b"], ModelReference(path: "a@b", adapter: .init(path: "c"))),
      ("x#1", ["x#1"], ModelReference(path: "x#1")),
      ("x#1#cars", ["x#1"], ModelReference(path: "x#1", expert: "cars")),
    ])
  func existing(text: String, there: [String], expected: ModelReference) throws {
    #expect(try ModelReference(parsing: text, exists: there.contains) == expected)
  }

  @Test(
    "Ambiguous and empty parts are refused",
    arguments: [
      ("", "is empty"), ("  ", "is empty"), ("a+b+c", "more than one '+'"),
      ("a@b@c", "more than one '@'"), ("+a", "before its '+'"), ("a+", "after it"),
      ("@a", "before its '@'"), ("a@", "revision after it"), ("a#", "after '#'"),
      ("#a", "before its '#'"), ("a+@b", "before its '@'"), ("a\0b", "null character"),
    ])
  func refused(text: String, fragment: String) {
    let error = #expect(throws: TinctureError.self) { try reference(text) }
    #expect(error?.message.contains(fragment) == true, "\(error?.message ?? "")")
    #expect(error?.code == .recipe)
  }

  @Test("The home directory is looked up but not written into the reference")
  func home() throws {
    var asked: [String] = []
    let parsed = try ModelReference(parsing: "~/m") { path in
      asked.append(path)
      return false
    }
    #expect(parsed.path == "~/m")
    #expect(parsed.localPath == asked.first)
    #expect(ModelReference.expandingHome("a/~/b") == "a/~/b")
    #expect(ModelReference.isOnDisk("/"))
    #expect(!ModelReference.isOnDisk("/there/is/no/such/path"))
  }
}

@Suite("Nearest names")
struct NearestNameTests {
  @Test(
    "A misspelt name finds the one it means, a foreign one none",
    arguments: [
      ("densty", "density"), ("Density", "density"), ("wieght", "weight"), ("lamda", "lambda"),
      ("merge-method", "merge_method"), ("xyz", nil), ("", nil), ("rescale_it", nil),
      (String(repeating: "w", count: 10_000), nil),
    ] as [(String, String?)])
  func nearest(name: String, expected: String?) {
    let known = ["weight", "density", "lambda", "merge_method"]
    #expect(nearestName(to: name, among: known) == expected)
  }
}
