import Tincture

/// What `inspect` shows of the masks that make single tasks out of a merged model.
struct MasksView {
  private let bank: ExpertBank

  /// The masks of a model, unless one of its tasks was asked for.
  init?(_ input: ModelInput) throws(TinctureError) {
    guard input.reference.expert == nil, let directory = input.checkpoint.directory,
      let path = TaskMasks.path(in: directory)
    else { return nil }
    bank = try ExpertBank(opening: path)
  }

  private var method: String { bank.manifest.experts.first?.codec.kind.rawValue ?? "none" }

  private func byteCount(_ owner: VectorOwner) -> Int {
    bank.manifest.records.keys.reduce(0) { $0 + bank.byteCount($1, of: owner) }
  }

  /// A line for the whole, and one for each task.
  var text: String {
    let tasks = bank.manifest.experts.map { task in
      "  \(task.name): \(task.codec.text), \(ByteSize.text(byteCount(.expert(task.name))))"
    }
    let count = tasks.count
    return
      ([
        "masks of \(count) task\(count == 1 ? "" : "s") by \(method),"
          + " with a vector of \(ByteSize.text(byteCount(.shared)))"
      ] + tasks).joined(separator: "\n")
  }

  /// The same for machines.
  var json: JSONValue {
    let tasks = bank.manifest.experts.map { task in
      (task.name, JSONValue.integer(byteCount(.expert(task.name))))
    }
    return .object(
      JSONObject([
        ("method", .string(method)), ("shared_bytes", .integer(byteCount(.shared))),
        ("tasks", .object(JSONObject(tasks))),
      ]))
  }
}
