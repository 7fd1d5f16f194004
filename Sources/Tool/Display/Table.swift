/// Columns of text, each as wide as its widest cell.
struct Table {
  private var rows: [[String]]
  private let alignsRight: Set<Int>

  init(_ header: [String], alignRight: Set<Int> = []) {
    rows = [header]
    alignsRight = alignRight
  }

  mutating func add(_ row: [String]) { rows.append(row) }

  var text: String {
    let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
    return rows.map { row in
      var line = ""
      for (column, cell) in row.enumerated() {
        let space = String(repeating: " ", count: widths[column] - cell.count)
        line +=
          (column == 0 ? "" : "  ") + (alignsRight.contains(column) ? space + cell : cell + space)
      }
      while line.hasSuffix(" ") { line.removeLast() }
      return line
    }.joined(separator: "\n")
  }
}
