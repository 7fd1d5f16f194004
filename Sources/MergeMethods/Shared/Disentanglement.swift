/// One redundant vector δ = Σ aₖ τₖ without which task vectors are as orthogonal to one another as possible.
///
/// Minimises L = mean over pairs |cos(τᵢ − δ, τⱼ − δ)| + α ‖δ‖ by gradient descent from δ = 0. Since each
/// gradient is a combination of task vectors, δ stays in their span: a and the Gram matrix G of the task vectors say
/// everything, ⟨τᵢ − δ, τⱼ − δ⟩ = Gᵢⱼ − (G a)ᵢ − (G a)ⱼ + aᵀ G a, and steps cost O(T²) whatever the size of the models.
package struct Disentanglement: Sendable, Hashable {
  /// The weight of ‖δ‖.
  package var alpha = 0.1
  /// The size of steps.
  package var rate = 0.01
  /// How many steps are made at most.
  package var steps = 300
  /// After more than ten steps the search ends once the loss changes by less than this.
  package var tolerance = 0.0

  /// Creates a search.
  package init() {}

  /// The coefficients of δ.
  ///
  /// - Parameter gram: ⟨τᵢ, τⱼ⟩, T rows of T elements.
  /// - Returns: a, one coefficient for each task; zeros for fewer than two tasks.
  /// - Complexity: O(steps · T²).
  package func coefficients(_ gram: [[Double]]) -> [Double] {
    var a = [Double](repeating: 0, count: gram.count)
    guard gram.count > 1 else { return a }
    var last = Double.infinity
    for step in 0..<steps {
      let (loss, gradient) = slope(at: a, gram)
      if step > 10, (last - loss).magnitude < tolerance { break }
      last = loss
      for k in a.indices { a[k] -= rate * gradient[k] }
    }
    return a
  }

  /// The loss and the coefficients of its gradient.
  ///
  /// With vᵢ = τᵢ − δ, nᵢ = ‖vᵢ‖, c the cosine of a pair and σ its sign, the gradient is
  /// −2 / (T (T − 1)) Σ_{i<j} σ ((vᵢ + vⱼ) / (nᵢ nⱼ) − c (vᵢ / nᵢ² + vⱼ / nⱼ²)) + α δ / ‖δ‖; a term w vᵢ has the
  /// coefficients w (eᵢ − a). Pairs with a vector that is all but zero count nothing.
  package func slope(at a: [Double], _ gram: [[Double]]) -> (loss: Double, gradient: [Double]) {
    let count = gram.count
    let images = gram.map { row in zip(row, a).reduce(0) { $0 + $1.0 * $1.1 } }
    let square = max(0, zip(images, a).reduce(0) { $0 + $1.0 * $1.1 })
    func product(_ i: Int, _ j: Int) -> Double { gram[i][j] - images[i] - images[j] + square }
    let norms = (0..<count).map { max(0, product($0, $0)).squareRoot() }
    let floor = 1e-12 * (0..<count).reduce(0) { max($0, max(0, gram[$1][$1]).squareRoot()) }
    let share = 2 / Double(count * (count - 1))
    var loss = 0.0
    var terms = [Double](repeating: 0, count: count)
    for i in 0..<count {
      for j in i + 1..<max(i + 1, count) where norms[i] > floor && norms[j] > floor {
        let scale = norms[i] * norms[j]
        let cosine = product(i, j) / scale
        loss += share * cosine.magnitude
        guard cosine != 0 else { continue }
        let sign = cosine > 0 ? share : -share
        terms[i] -= sign * (1 / scale - cosine / (norms[i] * norms[i]))
        terms[j] -= sign * (1 / scale - cosine / (norms[j] * norms[j]))
      }
    }
    let sum = terms.reduce(0, +)
    let norm = square.squareRoot()
    loss += alpha * norm
    let gradient = (0..<count).map { k in
      terms[k] - sum * a[k] + (norm > 0 ? alpha * a[k] / norm : 0)
    }
    return (loss, gradient)
  }
}
