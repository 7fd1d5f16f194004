import Testing
import TinctureLinearAlgebra
import TinctureTensors

@Suite("Approximations of low rank", .needsBLAS)
struct LowRankTests {
  private static let options = RandomizedOptions(
    random: CounterRandom(seed: 4, tensor: "w", purpose: "test"))

  @Test("The truncated decomposition states its error", arguments: [0, 1, 7, 20])
  func truncated(rank: Int) throws {
    let a = uniform(30, 20, as: Double.self)
    let found = try Backend.shared.truncatedSVD(a, rank: rank)
    var rest = a
    rest.add(product(found.svd), times: -1)
    #expect(found.svd.rank == rank)
    #expect(abs(found.frobeniusError - rest.frobeniusNorm) < 1e-13 * a.frobeniusNorm)
    #expect(abs(found.norm - a.frobeniusNorm) < 1e-13 * a.frobeniusNorm)
    let largest = try Backend.shared.singularValues(rest).first ?? 0
    #expect(abs(found.spectralError - largest) < 1e-13 * a.frobeniusNorm)
  }

  @Test("A rank that the matrix cannot have is refused", arguments: [-1, 21])
  func ranks(rank: Int) throws {
    let a = uniform(30, 20, as: Float.self)
    let error = #expect(throws: TinctureError.self) {
      try Backend.shared.truncatedSVD(a, rank: rank)
    }
    #expect(error?.message.contains("30 × 20") == true)
    #expect(throws: TinctureError.self) {
      try Backend.shared.randomizedSVD(a, rank: rank, options: Self.options)
    }
  }

  @Test(
    "The randomised decomposition is nearly the best and bounds its error",
    arguments: [(120, 90), (60, 300), (300, 60)], [0.6, 0.9])
  func randomized(extents: (Int, Int), decay: Double) throws {
    try check(extents, decay, Double.self)
    try check(extents, decay, Float.self)
  }

  private func check<Element: MatrixElement>(
    _ extents: (Int, Int), _ decay: Double, _ type: Element.Type
  ) throws {
    let algebra = try Backend.shared
    var values = [1.0]
    for _ in 1..<50 { values.append(decay * (values.last ?? 0)) }
    let a = try withSpectrum(values, rows: extents.0, columns: extents.1, as: type)
    let best = try algebra.truncatedSVD(a, rank: 12)
    let found = try algebra.randomizedSVD(a, rank: 12, options: Self.options)
    let rounding = 40 * Double(Element.ulpOfOne)
    var rest = a.converted(to: Double.self)
    rest.add(product(found.svd), times: -1)
    #expect(abs(found.frobeniusError - rest.frobeniusNorm) <= rounding)
    #expect(found.frobeniusError <= best.frobeniusError * 1.02 + rounding)
    let spectral = try algebra.singularValues(rest).first ?? 0
    #expect(spectral <= found.spectralError + rounding)
    #expect(found.spectralError <= found.frobeniusError)
    for (one, other) in zip(found.svd.singularValues, best.svd.singularValues) {
      #expect(Double((one - other).magnitude) < 0.02 * best.spectralError + rounding)
    }
    #expect(columnError(found.svd.u) < rounding)
    #expect(columnError(found.svd.vt.transposed()) < rounding)
    #expect(hasFixedSigns(found.svd.u))
  }

  @Test("Random vectors of another seed or a second run")
  func seeds() throws {
    let algebra = try Backend.shared
    let a = uniform(80, 70, as: Float.self)
    let one = try algebra.randomizedSVD(a, rank: 5, options: Self.options)
    let same = try algebra.randomizedSVD(a, rank: 5, options: Self.options)
    let other = try algebra.randomizedSVD(
      a, rank: 5,
      options: RandomizedOptions(random: CounterRandom(seed: 5, tensor: "w", purpose: "test")))
    #expect(one.svd.u == same.svd.u)
    #expect(one.svd.u != other.svd.u)
  }

  @Test("A matrix of rank zero or of the wanted rank is met exactly")
  func exact() throws {
    let algebra = try Backend.shared
    let zero = try algebra.randomizedSVD(
      Matrix<Float>(rows: 40, columns: 40), rank: 3, options: Self.options)
    #expect(zero.frobeniusError == 0 && zero.spectralError == 0 && zero.relativeError == 0)
    let a = try withSpectrum([3, 2, 1], rows: 50, columns: 60, as: Double.self)
    let found = try algebra.randomizedSVD(a, rank: 3, options: Self.options)
    #expect(found.relativeError < 1e-14)
  }

  @Test("The Gram route agrees where it may be used", arguments: References.all.general)
  func gram(reference: References.General) throws {
    try checkGram(reference.matrix(Float.self), reference)
    try checkGram(reference.matrix(Double.self), reference)
  }

  private func checkGram<Element: MatrixElement>(
    _ a: Matrix<Element>, _ reference: References.General
  ) throws {
    let share = 1e-5
    let found = try Backend.shared.svdByGram(a, keepingAbove: share)
    let largest = reference.singularValues.first ?? 0
    let rounding = 40 * Double(Element.ulpOfOne)
    for (value, wanted) in zip(found.singularValues, reference.singularValues) {
      let relative = largest / wanted
      let limit = rounding * largest + 1e-14 * relative * relative * wanted
      #expect((Double(value) - wanted).magnitude <= limit)
    }
    let kept = reference.singularValues.count { $0 > share * largest }
    // Values right at the limit may fall on either side.
    #expect(abs(found.rank - kept) <= 1)
    let lost = reference.singularValues.dropFirst(found.rank).first ?? 0
    #expect(distance(product(found), a) <= lost + (rounding + 1e-9) * largest)
    #expect(columnError(found.u) < rounding + 1e-4)
    #expect(hasFixedSigns(found.u))
  }

  @Test(
    "The Gram route to few singular values is the beginning of the whole", arguments: [0, 3, 20])
  func gramRank(rank: Int) throws {
    let algebra = try Backend.shared
    for (rows, columns) in [(60, 31), (31, 60)] {
      let a = uniform(rows, columns, as: Double.self)
      let (whole, found) = (try algebra.svdByGram(a), try algebra.svdByGram(a, rank: rank))
      #expect(found.rank == rank)
      #expect(distance(product(found), product(whole.prefix(rank))) < 1e-11)
    }
  }

  @Test("The Gram route takes both sides, empty and zero matrices")
  func gramShapes() throws {
    let algebra = try Backend.shared
    for (rows, columns) in [(40, 9), (9, 40), (0, 3), (3, 0)] {
      let a = uniform(rows, columns, as: Float.self)
      #expect(distance(product(try algebra.svdByGram(a)), a) < 1e-5)
    }
    #expect(try algebra.svdByGram(Matrix<Float>(rows: 4, columns: 3)).rank == 0)
  }

  @Test("What a spectrum says")
  func spectrum() {
    let flat = Spectrum([2, 2, 2, 2] as [Float])
    #expect(abs(flat.effectiveRank - 4) < 1e-12)
    #expect(flat.stableRank == 4)
    #expect(flat.nuclearNorm == 8 && flat.frobeniusNorm == 4 && flat.conditionNumber == 1)
    #expect(flat.rank(holding: 0.5) == 2 && flat.rank(holding: 1) == 4)
    let one = Spectrum([0, 5, 0] as [Double])
    #expect(one.values == [5, 0, 0])
    #expect(one.effectiveRank == 1 && one.stableRank == 1 && one.rank(holding: 1) == 1)
    #expect(one.conditionNumber == .infinity)
    let zero = Spectrum([0, 0] as [Double])
    #expect(zero.effectiveRank == 0 && zero.stableRank == 0 && zero.rank(holding: 1) == 0)
    #expect(Spectrum([Float]()).largest == 0)
    #expect(abs(Spectrum([3e200, 4e200] as [Double]).frobeniusNorm - 5e200) < 1e185)
  }
}
