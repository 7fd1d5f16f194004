internal import TinctureLinearAlgebra
internal import TinctureMerging
internal import TinctureTensors

/// DOGE's search for the change that all task vectors of a matrix get.
struct ProjectedDescent {
  /// λᵢ = λ / ‖τᵢ‖.
  let scales: [Double]
  private var models: [Matrix<Float>] = []
  private let shared: Matrix<Float>?
  private let tasks: TaskMatrices<Double>

  /// Reads the task vectors and finds what they share.
  init(_ tasks: TaskMatrices<Double>) throws(TinctureError) {
    self.tasks = tasks
    let scale = tasks.inputs[Doge.scale]
    let rank = tasks.smallerExtent / max(1, tasks.count)
    var scales: [Double] = []
    var directions: [Matrix<Double>] = []
    for model in 0..<tasks.count {
      let task = try tasks.read(model)
      models.append(task.converted(to: Float.self))
      let norm = task.frobeniusNorm
      scales.append(norm > 0 ? scale / norm : 0)
      if norm > 0, rank > 0 { directions.append(try tasks.decompose(task, rank: rank).u) }
    }
    self.scales = scales
    let size = tasks.smallerExtent / tasks.inputs[Doge.subspace]
    let joined = Matrix.joined(directions, rows: tasks.rows)
    guard size > 0, joined.columns > 0 else {
      shared = nil
      return
    }
    shared = try tasks.decompose(joined, rank: size).u.converted(to: Float.self)
  }

  /// The change.
  ///
  /// With aⱼ[r] = Σ_c (τⱼ² − τⱼ S)[r, c], e = a − Λ Σ_c τⱼ δ and the gradient −2 Λ Σⱼ eⱼ[r] τⱼ[r, c].
  ///
  /// - Returns: δ.
  /// - Throws: An error if the library fails.
  /// - Complexity: O(T m n + m n k) for each step.
  func change() throws(TinctureError) -> Matrix<Float> {
    let inputs = tasks.inputs
    var change = Matrix<Float>(rows: tasks.rows, columns: tasks.columns)
    let total = scales.reduce(0, +)
    guard total > 0 else { return change }
    let aims = aims()
    var adam = Adam(count: change.count, rate: inputs[Doge.rate])
    var gradient = change
    for _ in 0..<inputs[Doge.steps] {
      try inputs.checkInterruption()
      slope(at: change, aims, total, into: &gradient)
      if let shared {
        let image = try tasks.algebra.multiply(shared, gradient, transposing: .first)
        try tasks.algebra.multiply(shared, image, scale: -1, into: &gradient)
      }
      adam.step(&change, along: gradient)
    }
    return change
  }

  /// aⱼ[r] for each row, all tasks of a row together.
  private func aims() -> [Double] {
    var result = [Double](repeating: 0, count: tasks.rows * models.count)
    for row in 0..<tasks.rows {
      for column in 0..<tasks.columns {
        var sum = 0.0
        for (model, scale) in zip(models, scales) { sum += scale * Double(model[row, column]) }
        for (task, model) in models.enumerated() {
          let value = Double(model[row, column])
          result[row * models.count + task] += value * (value - sum)
        }
      }
    }
    return result
  }

  private func slope(
    at change: Matrix<Float>, _ aims: [Double], _ total: Double, into gradient: inout Matrix<Float>
  ) {
    let (rows, columns) = (tasks.rows, tasks.columns)
    gradient.change { output in
      for row in 0..<rows {
        let place = row * columns..<(row + 1) * columns
        var target = output._mutatingExtracting(place)
        Kernels.clear(&target)
        for (task, model) in models.enumerated() {
          var product = 0.0
          Kernels.addDot(
            model.elements.extracting(place), change.elements.extracting(place), to: &product)
          let rest = aims[row * models.count + task] - total * product
          Kernels.add(
            model.elements.extracting(place), times: Float(-2 * total * rest), to: &target)
        }
      }
    }
  }
}
