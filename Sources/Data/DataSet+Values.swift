public import TinctureTensors

extension DataSet {
  /// Reads numbers as `Float`, example after example.
  ///
  /// - Parameters:
  ///   - column: The name of a column of numbers.
  ///   - indices: The examples.
  /// - Returns: The numbers, rounded to the nearest `Float`; integers are not scaled.
  /// - Throws: As `read(_:_:)`, and `data` when the column holds no numbers.
  public func floats(_ column: String, at indices: [Int]) throws(TinctureError) -> [Float] {
    try numbers(column, at: indices).floats()
  }

  /// Reads numbers as `Double`, example after example.
  ///
  /// - Parameters:
  ///   - column: The name of a column of numbers.
  ///   - indices: The examples.
  /// - Returns: The numbers, rounded to the nearest `Double`.
  /// - Throws: As `read(_:_:)`, and `data` when the column holds no numbers.
  public func doubles(_ column: String, at indices: [Int]) throws(TinctureError) -> [Double] {
    try numbers(column, at: indices).doubles()
  }

  /// Reads whole numbers, such as labels, example after example.
  ///
  /// - Parameters:
  ///   - column: The name of a column of numbers.
  ///   - indices: The examples.
  /// - Returns: The numbers.
  /// - Throws: As `read(_:_:)`, and `data` when the column holds no numbers or one that is not whole.
  public func integers(_ column: String, at indices: [Int]) throws(TinctureError) -> [Int] {
    let block = try numbers(column, at: indices)
    if let values = block.integers() { return values }
    throw TinctureError(
      .data,
      "The column \"\(column)\" holds a number that is not whole or does not fit; labels must be whole"
        + " numbers.", at: .init(file: source))
  }

  /// Reads arrays of numbers as they are stored.
  ///
  /// - Parameters:
  ///   - column: The name of a column of numbers.
  ///   - indices: The examples.
  /// - Returns: The arrays.
  /// - Throws: As `read(_:_:)`, and `data` when the column holds no numbers.
  public func numbers(_ column: String, at indices: [Int]) throws(TinctureError) -> NumberBlock {
    if case .numbers(let block) = try read(column, at: indices) { return block }
    throw mismatch(try self.column(named: column), wanted: "numbers")
  }

  /// Reads texts.
  ///
  /// - Parameters:
  ///   - column: The name of a column of text.
  ///   - indices: The examples.
  /// - Returns: The texts.
  /// - Throws: As `read(_:_:)`, and `data` when the column holds no text.
  public func texts(_ column: String, at indices: [Int]) throws(TinctureError) -> [String] {
    if case .text(let texts) = try read(column, at: indices) { return texts }
    throw mismatch(try self.column(named: column), wanted: "text")
  }

  /// Reads pictures: files of pictures, or bytes of extents [height, width], [height, width, channels] or
  /// [channels, height, width] with one, three or four channels.
  ///
  /// - Parameters:
  ///   - column: The name of the column.
  ///   - indices: The examples.
  /// - Returns: The pictures.
  /// - Throws: As `read(_:_:)`, and `data` when the column holds no pictures.
  public func images(_ column: String, at indices: [Int]) throws(TinctureError) -> [PixelImage] {
    switch try read(column, at: indices) {
    case .images(let images): return images
    case .numbers(let block):
      if let images = PixelImage.images(in: block) { return images }
      throw mismatch(try self.column(named: column), wanted: "U8 pictures")
    case .text: throw mismatch(try self.column(named: column), wanted: "images")
    }
  }
}
