/// The known name that a misspelt one most likely means.
///
/// Distances count inserted, deleted, replaced and exchanged neighbouring letters; case does not
/// count. Of equally near names the first is taken.
///
/// - Parameters:
///   - name: The name as it was written.
///   - candidates: The known names.
/// - Returns: The nearest name whose distance is at most a third of the longer length (and at
///   least one), or nil when none is that near.
/// - Complexity: O(n · m) for each candidate; names longer than 64 letters are not compared.
public func nearestName(to name: String, among candidates: some Sequence<String>) -> String? {
  let written = Array(name.lowercased().unicodeScalars.prefix(65))
  guard !written.isEmpty, written.count <= 64 else { return nil }
  var best: (name: String, distance: Int)?
  for candidate in candidates {
    let known = Array(candidate.lowercased().unicodeScalars.prefix(65))
    let limit = max(1, max(written.count, known.count) / 3)
    guard known.count <= 64, abs(written.count - known.count) <= limit else { continue }
    let distance = editDistance(written, known)
    if distance <= limit, distance < written.count, distance < best?.distance ?? .max {
      best = (candidate, distance)
    }
  }
  return best?.name
}

/// The number of single edits, exchanges of neighbours among them, between two texts.
private func editDistance(_ left: [Unicode.Scalar], _ right: [Unicode.Scalar]) -> Int {
  var beforeLast = [Int](repeating: 0, count: right.count + 1)
  var last = Array(0...right.count)
  for (row, letter) in left.enumerated() {
    var current = [row + 1] + [Int](repeating: 0, count: right.count)
    for (column, other) in right.enumerated() {
      var cost = min(
        last[column + 1] + 1, current[column] + 1, last[column] + (letter == other ? 0 : 1))
      if row > 0, column > 0, letter == right[column - 1], left[row - 1] == other {
        cost = min(cost, beforeLast[column - 1] + 1)
      }
      current[column + 1] = cost
    }
    (beforeLast, last) = (last, current)
  }
  return last[right.count]
}
