import Testing
import TinctureMerging

@Suite("Parameters")
struct ParameterTests {
  private static let number = Parameter<Double>("x", default: 1, in: .fraction, "A number.")
  private static let positive = Parameter<Double>("t", in: .above(0), "A positive number.")
  private static let whole = Parameter<Int>("n", default: 3, in: .atLeast(0), "A whole number.")
  private static let flag = Parameter<Bool>("f", default: true, "A flag.")
  private static let word = Parameter<String>("w", default: "a", of: ["a", "b"], "A word.")

  @Test("Values within the bounds are accepted")
  func accepted() {
    #expect(Self.number.declaration.objection(to: .number(0)) == nil)
    #expect(Self.number.declaration.objection(to: .number(1)) == nil)
    #expect(Self.positive.declaration.objection(to: .number(1e-300)) == nil)
    #expect(Self.whole.declaration.objection(to: .number(7)) == nil)
    #expect(Self.flag.declaration.objection(to: .number(1)) == nil)
    #expect(Self.flag.declaration.objection(to: .bool(false)) == nil)
    #expect(Self.word.declaration.objection(to: .text("b")) == nil)
  }

  @Test(
    "Others are named with the value that is wrong",
    arguments: [
      (number.declaration, ParameterValue.number(1.5), "between 0 and 1, not 1.5"),
      (number.declaration, .number(.nan), "not nan"),
      (number.declaration, .number(-1e300), "between 0 and 1"),
      (number.declaration, .bool(true), "not a truth value"),
      (number.declaration, .text("much"), "not \"much\""),
      (positive.declaration, .number(0), "above 0, not 0"),
      (positive.declaration, .number(.infinity), "above 0, not inf"),
      (whole.declaration, .number(2.5), "a whole number, not 2.5"),
      (whole.declaration, .number(-1), "at least 0, not -1"),
      (whole.declaration, .number(1e300), "at most"),
      (flag.declaration, .number(2), "true or false, not 2"),
      (flag.declaration, .text("yes"), "true or false, not \"yes\""),
      (word.declaration, .text("c"), "a or b, not \"c\""),
      (word.declaration, .number(1), "a or b"),
    ])
  func refused(declaration: ParameterDeclaration, value: ParameterValue, message: String) {
    let objection = declaration.objection(to: value)
    #expect(objection?.contains(message) == true, "\(objection ?? "accepted")")
  }

  @Test("Missing values are those declared")
  func defaults() {
    let empty = ResolvedParameters()
    #expect(empty[Self.number] == 1)
    #expect(empty[Self.whole] == 3)
    #expect(empty[Self.flag])
    #expect(empty[Self.word] == "a")
  }
}
