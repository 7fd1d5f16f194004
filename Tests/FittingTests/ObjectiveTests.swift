import Foundation
import Testing
import TinctureTensors
import TinctureTorch

@testable import TinctureFitting

@Suite("Objectives", .needsLibTorch)
struct ObjectiveTests {
  private let scores: TorchTensor
  private let expert: TorchTensor

  /// Same answer; another answer, merged model surer; another answer, expert surer.
  init() throws {
    scores = try TorchTensor([2, 0, 3, 0, 1, 0] as [Float], shape: [3, 2])
    expert = try TorchTensor([1, 0, 0, 1, 0, 4] as [Float], shape: [3, 2])
  }

  private func value(
    _ objective: FitObjective, _ targets: FitObjective.Targets
  ) throws -> (loss: Double, kept: Int)? {
    try objective.loss(scores, targets).map { (Double(try $0.loss.item(as: Float.self)), $0.kept) }
  }

  private func softplus(_ x: Double) -> Double { log(1 + exp(x)) }

  @Test("The filter drops what the merged model is surer of than an expert that differs")
  func confidence() throws {
    let all = try #require(try value(.expertLabels(.none), .init(expert: expert)))
    #expect(all.kept == 3)
    #expect(abs(all.loss - (softplus(-2) + softplus(3) + softplus(1)) / 3) < 1e-5)
    let kept = try #require(try value(.expertLabels(.confidence), .init(expert: expert)))
    #expect(kept.kept == 2)
    #expect(abs(kept.loss - (softplus(-2) + softplus(1)) / 2) < 1e-5)
    let dropped = try FitObjective.expertLabels(.confidence).loss(
      scores.slice(1..<2, along: 0), .init(expert: expert.slice(1..<2, along: 0)))
    #expect(dropped == nil)
  }

  @Test("The surest share of a batch is what the expert is surest of")
  func top() throws {
    // The expert is surest of the third example, then of the first two alike: the first comes first.
    let one = try #require(try value(.expertLabels(.top(0.3)), .init(expert: expert)))
    #expect(one.kept == 1)
    #expect(abs(one.loss - softplus(1)) < 1e-5)
    let two = try #require(try value(.expertLabels(.top(0.5)), .init(expert: expert)))
    #expect(two.kept == 2)
    #expect(abs(two.loss - (softplus(1) + softplus(-2)) / 2) < 1e-5)
  }

  @Test("Cross entropies are those of their formulas")
  func formulas() throws {
    let labels = try #require(try value(.labels, .init(labels: [0, 1, 1])))
    #expect(abs(labels.loss - (softplus(-2) + softplus(3) + softplus(1)) / 3) < 1e-5)
    func q(_ x: Double) -> Double { 1 / (1 + exp(-x)) }
    for temperature in [1.0, 2.0] {
      let soft = try #require(
        try value(.expertDistribution(temperature: temperature), .init(expert: expert)))
      let wanted = zip([2.0, 3, 1], [1.0, -1, -4]).reduce(0) { sum, pair in
        let (z, e) = (pair.0 / temperature, q(pair.1 / temperature))
        return sum + e * softplus(-z) + (1 - e) * softplus(z)
      }
      #expect(abs(soft.loss - temperature * temperature * wanted / 3) < 1e-5)
    }
    let entropy = try #require(try value(.entropy, .init()))
    let wanted = [2.0, 3, 1].reduce(0) { $0 + q($1) * softplus(-$1) + q(-$1) * softplus($1) }
    #expect(abs(entropy.loss - wanted / 3) < 1e-5)
  }

  @Test("Own answers are labels where the model is sure enough")
  func ownLabels() throws {
    func sure(_ x: Double) -> Double { 1 / (1 + exp(-x)) }
    let all = try #require(try value(.ownLabels(sureness: 0), .init()))
    #expect(all.kept == 3)
    #expect(abs(all.loss + log(sure(2) * sure(3) * sure(1)) / 3) < 1e-5)
    let some = try #require(try value(.ownLabels(sureness: 0.8), .init()))
    #expect(some.kept == 2)
    #expect(abs(some.loss + log(sure(2) * sure(3)) / 2) < 1e-5)
    #expect(try value(.ownLabels(sureness: 0.99), .init()) == nil)
  }

  @Test("States after passes are compared by the experts' accuracies, or by what is forgotten")
  func validationScores() {
    let shares = [0.9, 0.5, 0.8]
    let mean = FitValidation.score(shares, [0.9, 1, 0], hasControl: false)
    #expect(abs(mean - (1 + 0.5 + 0.8) / 3) < 1e-12)
    #expect(FitValidation.score(shares, [1, 1, 0.84], hasControl: true) == -0.7)
    #expect(FitValidation.score(shares, [1, 1, 0.85], hasControl: true) == -.infinity)
  }
}
