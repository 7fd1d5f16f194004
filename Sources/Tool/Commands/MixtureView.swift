import Tincture

/// What `inspect` shows of a mixture.
struct MixtureView {
  private let mixture: Mixture

  /// The mixture of a model, unless one of its tasks was asked for.
  init?(_ input: ModelInput) throws(TinctureError) {
    guard input.reference.expert == nil, let directory = input.checkpoint.directory,
      let path = Mixture.path(in: directory)
    else { return nil }
    mixture = try Mixture(opening: path)
  }

  /// A line for the whole, for each expert, and for the routers.
  var text: String {
    var lines = [
      "mixture of \(mixture.experts.count) experts by \(mixture.method), routed by"
        + " \(mixture.routing.rawValue)"
    ]
    for expert in mixture.experts {
      let forms = Self.forms(expert).map { "\($0.count) \($0.form)" }.joined(separator: ", ")
      lines.append(
        "  \(expert.name): \(expert.vectors.count) vectors (\(forms)),"
          + " \(ByteSize.text(Self.byteCount(expert)))")
    }
    for router in mixture.routers {
      let place = router.modules.isEmpty ? "the model" : router.modules.joined(separator: ", ")
      let tensors = router.tensors.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value.shape)" }
      lines.append("  router of \(place): \(tensors.joined(separator: ", "))")
    }
    return lines.joined(separator: "\n")
  }

  /// The same for machines.
  var json: JSONValue {
    let experts = mixture.experts.map { expert in
      let forms = Self.forms(expert).map { ($0.form, JSONValue.integer($0.count)) }
      return (
        expert.name,
        JSONValue.object(
          JSONObject([
            ("vectors", .object(JSONObject(forms))),
            ("bytes", .integer(Self.byteCount(expert))),
          ]))
      )
    }
    let routers = mixture.routers.map { router in
      let tensors = router.tensors.sorted { $0.key < $1.key }.map { role, tensor in
        (role, JSONValue.array(tensor.shape.extents.map { .integer($0) }))
      }
      return JSONValue.object(
        JSONObject([
          ("modules", .array(router.modules.map { .string($0) })),
          ("tensors", .object(JSONObject(tensors))),
        ]))
    }
    return .object(
      JSONObject([
        ("method", .string(mixture.method)), ("routing", .string(mixture.routing.rawValue)),
        ("experts", .object(JSONObject(experts))), ("routers", .array(routers)),
      ]))
  }

  private static func forms(_ expert: Mixture.Expert) -> [(form: String, count: Int)] {
    var counts = [("dense", 0), ("low-rank", 0), ("sparse", 0)]
    for vector in expert.vectors.values {
      switch vector.form {
      case .dense: counts[0].1 += 1
      case .lowRank: counts[1].1 += 1
      case .sparse: counts[2].1 += 1
      }
    }
    return counts.filter { $0.1 > 0 }.map { (form: $0.0, count: $0.1) }
  }

  private static func byteCount(_ expert: Mixture.Expert) -> Int {
    expert.vectors.values.reduce(0) { $0 + $1.byteCount }
  }
}
