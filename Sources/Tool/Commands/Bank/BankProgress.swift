import Tincture

/// Shows how far the making of a bank is; nothing when it takes no longer than a second.
final class BankProgress: Sendable {
  private let line: ProgressLine

  init(isQuiet: Bool) { line = ProgressLine(isQuiet: isQuiet, patience: .seconds(1)) }

  func hear(_ event: BankBuilder.Event) {
    switch event {
    case .started(let bytes): line.begin(total: bytes)
    case .passed(let bytes): line.advance(by: bytes)
    }
  }

  func close() { line.close() }
}
