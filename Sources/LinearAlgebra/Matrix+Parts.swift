internal import TinctureTensors

extension Matrix {
  /// Takes over elements that follow each other, row after row.
  ///
  /// - Parameters:
  ///   - values: The elements.
  ///   - start: The position of the first, counted from zero.
  public mutating func set(_ values: Span<Float>, at start: Int) {
    precondition(start >= 0 && start + values.count <= count, "There are no such elements.")
    write { target in
      values.withUnsafeBufferPointer {
        if let source = $0.baseAddress { Loops.convert(source, into: target + start, $0.count) }
      }
    }
  }

  /// Takes over the differences of elements that follow each other, row after row, and a matrix's own there.
  ///
  /// - Parameters:
  ///   - values: The elements.
  ///   - origin: What is taken from them, of the same extents.
  ///   - start: The position of the first, counted from zero.
  public mutating func set(_ values: Span<Float>, minus origin: Matrix<Double>, at start: Int) {
    precondition(start >= 0 && start + values.count <= count, "There are no such elements.")
    precondition(origin.count == count, "\(origin.description) has other elements.")
    write { target in
      origin.read { origin in
        values.withUnsafeBufferPointer {
          guard let source = $0.baseAddress else { return }
          Loops.subtract(source, origin + start, into: target + start, $0.count)
        }
      }
    }
  }

  /// Adds a multiple of elements that follow each other, row after row.
  ///
  /// - Parameters:
  ///   - values: The elements.
  ///   - factor: What they are multiplied by.
  ///   - start: The position of the first, counted from zero.
  public mutating func add(_ values: Span<Float>, times factor: Double, at start: Int) {
    precondition(start >= 0 && start + values.count <= count, "There are no such elements.")
    write { target in
      let place = UnsafeMutableRawPointer(target + start)
      guard Element.precision == .double else {
        let pointer = place.assumingMemoryBound(to: Float.self)
        var sum = MutableSpan<Float>(_unsafeStart: pointer, count: values.count)
        return Kernels.add(values, timesInDouble: factor, to: &sum)
      }
      values.withUnsafeBufferPointer {
        guard let source = $0.baseAddress else { return }
        let sum = place.assumingMemoryBound(to: Double.self)
        Loops.add(source, times: factor, toDouble: sum, $0.count)
      }
    }
  }
}

extension Matrix {
  /// Adds a multiple of elements that follow each other, row after row, to as many others.
  ///
  /// Computed in double precision and rounded once.
  ///
  /// - Parameters:
  ///   - range: The positions of the elements, counted from zero.
  ///   - factor: What they are multiplied by.
  ///   - sum: Receives the sums.
  public func add(_ range: Range<Int>, times factor: Double, to sum: inout MutableSpan<Float>) {
    precondition(
      sum.count == range.count, "\(range.count) elements cannot be added to \(sum.count).")
    if let single = self as? Matrix<Float> {
      return Kernels.add(single.elements.extracting(range), timesInDouble: factor, to: &sum)
    }
    let own = elements.extracting(range)
    for i in own.indices { sum[i] = Float(Double(sum[i]) + factor * Double(own[i])) }
  }
}

extension Matrix<Double> {
  /// Adds a multiple of a matrix of the same extents and any precision.
  ///
  /// - Parameters:
  ///   - other: The matrix.
  ///   - factor: What it is multiplied by.
  public mutating func add<Other: MatrixElement>(
    widening other: Matrix<Other>, times factor: Double
  ) {
    precondition(
      other.rows == rows && other.columns == columns,
      "A \(other.rows) × \(other.columns) matrix cannot be added to a \(rows) × \(columns) one.")
    let count = self.count
    write { target in other.read { Loops.add($0, times: factor, toDouble: target, count) } }
  }
}
