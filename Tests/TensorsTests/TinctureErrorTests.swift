import Testing
import TinctureTensors

@Suite("Messages")
struct TinctureErrorTests {
  @Test("Of very many faults the first ones are listed, and how many more there are")
  func longList() {
    func text(_ count: Int) -> String {
      let causes = (0..<count).map { TinctureError(.checkpoint, "Fault \($0).") }
      return TinctureError(.checkpoint, "Wrong:", causes: causes).detailedDescription
    }
    #expect(text(40).hasSuffix("\n  - Fault 39."))
    #expect(text(40).split(separator: "\n").count == 41)
    #expect(text(231).split(separator: "\n").count == 41)
    #expect(text(231).hasSuffix("\n  - Fault 38.\n  - and 192 more"))
  }

  @Test("A model that is a file is named once")
  func place() {
    typealias Place = TinctureError.Place
    #expect(
      Place(file: "a.safetensors", model: "a.safetensors", tensor: "x").description
        == "a.safetensors, tensor x")
    #expect(
      Place(file: "a/model.safetensors", model: "a").description == "a/model.safetensors, model a")
  }
}
