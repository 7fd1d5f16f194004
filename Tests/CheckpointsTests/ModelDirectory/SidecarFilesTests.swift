import SystemPackage
import Testing
import TinctureCheckpoints
import TinctureTensors

@Suite("Files beside the weights")
struct SidecarFilesTests {
  @Test("Everything a model needs apart from its weights is listed in order, the rest is not")
  func list() throws {
    let folder = try ScratchFolder()
    let wanted = [
      "1_Pooling/config.json sentenceEmbedding", "LICENSE legal", "NOTICE.txt legal",
      "USE_POLICY.md legal", "additional_chat_templates/tool.jinja chatTemplate",
      "chat_template.jinja chatTemplate", "config_sentence_transformers.json sentenceEmbedding",
      "generation_config.json generation", "merges.txt tokenizer", "modules.json sentenceEmbedding",
      "preprocessor_config.json processor", "qwen.tiktoken tokenizer", "spiece.model tokenizer",
      "tokenizer.json tokenizer", "tokenizer.model tokenizer", "tokenizer_config.json tokenizer",
      "video_preprocessor_config.json processor", "vocab.json tokenizer",
    ]
    let unwanted = [
      "config.json", "README.md", "model.safetensors", "pytorch_model.bin", "model-00001.bin",
      "model.safetensors.index.json", ".gitattributes", ".hidden/tokenizer.json", "notes.txt",
      "1_Pooling/model.safetensors", "LICENSE.safetensors", "modeling_x.py", "runs/events.json",
      "2_Dense_x1/config.json", "optimizer.pt",
    ]
    for line in wanted {
      try folder.write(String(line.prefix { $0 != " " }), "{}")
    }
    for name in unwanted { try folder.write(name, "{}") }
    let files = try SidecarFiles.list(in: folder.path)
    #expect(files.map { "\($0.path) \($0.category)" } == wanted)
    #expect(files.allSatisfy { $0.size == 2 })
  }

  @Test("Custom code is what the configuration names and what that imports")
  func code() throws {
    let folder = try ScratchFolder()
    try folder.write(
      "config.json",
      #"""
      {"auto_map": {"AutoModel": "modeling_x.Model", "AutoConfig": "org/other--configuration_y.C",
      "AutoTokenizer": ["tokenization_x.Slow", null], "Bad": "../../evil.Class", "Worse": "x"}}
      """#)
    try folder.write(
      "modeling_x.py",
      """
      import os
      from .configuration_x import Config
        from .kernels.scan import scan
      from ..outside import nothing
      from . import norms, gates
      from .modeling_x import itself
      """)
    for name in [
      "configuration_x.py", "kernels/scan.py", "norms.py", "gates.py", "tokenization_x.py",
      "unused.py", "configuration_y.py", "x.py", "os.py",
    ] {
      try folder.write(name)
    }
    let files = try SidecarFiles.list(in: folder.path).filter { $0.category == .code }
    #expect(
      files.map(\.path) == [
        "configuration_x.py", "gates.py", "kernels/scan.py", "modeling_x.py", "norms.py",
        "tokenization_x.py",
      ])
  }

  @Test("Links are followed to files, as in the cache of the hub, and broken ones are left out")
  func links() throws {
    let folder = try ScratchFolder()
    try folder.write("blobs/abc", "12345")
    try folder.link("snapshots/1/tokenizer.json", to: "../../blobs/abc")
    try folder.link("snapshots/1/merges.txt", to: "../../blobs/none")
    try folder.link("snapshots/1/vocab.json", to: "vocab.json")
    try folder.makeFolder("snapshots/1/tokenizer.model")
    let files = try? SidecarFiles.list(in: folder.path.appending("snapshots/1"))
    #expect(files?.map(\.path) == ["tokenizer.json"])
    #expect(files?.map(\.size) == [5])
  }

  @Test("A directory that does not exist has no files")
  func absent() throws {
    let folder = try ScratchFolder()
    #expect(try SidecarFiles.list(in: folder.path.appending("none")).isEmpty)
  }

  @Test("A malformed file that names code is refused with its name")
  func malformed() throws {
    let folder = try ScratchFolder()
    try folder.write("tokenizer_config.json", "{")
    let error = #expect(throws: TinctureError.self) { try SidecarFiles.list(in: folder.path) }
    #expect(error?.place.file?.hasSuffix("tokenizer_config.json") == true)
  }
}
