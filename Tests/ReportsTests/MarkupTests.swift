import Testing
import TinctureReports

@Suite("Markup")
struct MarkupTests {
  @Test(
    "Nothing in a text is markup",
    arguments: [
      ("a < b & c > d", "a &lt; b &amp; c &gt; d"),
      ("\"quoted\" 'too'", "&quot;quoted&quot; &#39;too&#39;"),
      ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
      ("&amp;", "&amp;amp;"), ("]]>", "]]&gt;"), ("", ""), ("größe · 模型", "größe · 模型"),
    ])
  func escaping(text: String, wanted: String) {
    #expect(Markup.escape(text) == wanted)
    #expect(Markup(text: text).source == wanted)
  }

  @Test(
    "Characters that a page must not hold, or that hide what is around them, are replaced",
    arguments: [
      0, 1, 9, 10, 13, 0x1f, 0x7f, 0x85, 0x9f, 0x200e, 0x202e, 0x2028, 0x2066, 0xfdd0, 0xfffe,
      0xffff,
      0x1ffff,
    ] as [UInt32])
  func replacement(value: UInt32) throws {
    let scalar = try #require(Unicode.Scalar(value))
    #expect(Markup.escape("a\(Character(scalar))b") == "a\u{fffd}b")
  }

  @Test("Values of attributes are escaped, and stay in the order in which they are written")
  func attributes() {
    let element = Markup.element(
      "a", ["title": "\" onclick=\"x", "class": "b"] + ["id": "c"], text: "<")
    #expect(
      element.source
        == "<a title=\"&quot; onclick=&quot;x\" class=\"b\" id=\"c\">&lt;</a>")
  }

  @Test("Only elements that may be are written without an end")
  func ends() {
    #expect(Markup.element("rect", ["x": "1"]).source == "<rect x=\"1\"/>")
    #expect(Markup.element("div").source == "<div></div>")
    #expect(
      Markup.element("rect", [:], [.element("title", text: "t")]).source
        == "<rect><title>t</title></rect>")
  }
}

@Suite("Numbers as text")
struct NumberTextTests {
  @Test(
    "Decimal numbers are rounded to their digits",
    arguments: [
      (0, 0, "0"), (1.5, 0, "2"), (-0.04, 1, "0.0"), (-0.06, 1, "-0.1"), (3.14159, 3, "3.142"),
      (1234.5, 2, "1234.50"), (1e20, 2, "1e+20"), (.nan, 1, "–"), (.infinity, 1, "∞"),
      (-.infinity, 0, "−∞"),
    ] as [(Double, Int, String)])
  func decimal(value: Double, digits: Int, wanted: String) {
    #expect(NumberText.decimal(value, digits) == wanted)
  }

  @Test(
    "Significant digits",
    arguments: [
      (0, "0"), (0.5, "0.500"), (12.3456, "12.3"), (123456, "123456"), (1.5e9, "1.50e9"),
      (-2.5e-7, "-2.50e-7"), (0.001234, "0.00123"), (.nan, "–"),
    ] as [(Double, String)])
  func significant(value: Double, wanted: String) {
    #expect(NumberText.significant(value) == wanted)
  }

  @Test(
    "Units", arguments: [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (2_810_000_000, "2.8 GB")])
  func bytes(count: Int, wanted: String) {
    #expect(NumberText.bytes(count) == wanted)
    #expect(ReportUnit.bytes.text(Double(count)) == wanted)
  }

  @Test("Fractions and times")
  func others() {
    #expect(NumberText.percent(0.1234) == "12.3 %")
    #expect(NumberText.percent(.nan) == "–")
    #expect(NumberText.duration(59.4) == "59 s")
    #expect(NumberText.duration(61) == "1 min 1 s")
    #expect(NumberText.duration(7260) == "2 h 1 min")
    #expect(NumberText.duration(.infinity) == "–")
  }
}

@Suite("Names of tensors")
struct ModulePathTests {
  @Test(
    "A name is taken apart at its layer",
    arguments: [
      ("visual.blocks.3.mlp.c_fc.weight", "visual.blocks", 3, "mlp.c_fc.weight"),
      ("model.layers.12.mlp.experts.7.w1", "model.layers", 12, "mlp.experts.*.w1"),
      ("lm_head.weight", "lm_head", nil, "weight"), ("bias", "", nil, "bias"),
      ("", "", nil, ""), ("blocks.3", "blocks", nil, "3"), ("0.weight", "", 0, "weight"),
      ("a..b", "a.", nil, "b"), ("h.99999999999999999999.w", "h.99999999999999999999", nil, "w"),
    ] as [(String, String, Int?, String)])
  func parts(name: String, module: String, layer: Int?, kind: String) {
    let path = ModulePath(name)
    #expect(path.module == module)
    #expect(path.layer == layer)
    #expect(path.kind == kind)
  }
}
