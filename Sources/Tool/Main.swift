import ArgumentParser
import Tincture

@main
struct TinctureCommand: AsyncParsableCommand {
  static func main() async {
    LibTorch.limitSpinning()
    FreedMemory.allowKeeping()
    do {
      var command = try parseAsRoot()
      if var command = command as? any AsyncParsableCommand {
        try await command.run()
      } else {
        try command.run()
      }
    } catch { end(error) }
  }

  /// Ends the program; misuse is told as everything else is that goes wrong.
  private static func end(_ error: any Error) -> Never {
    // What commands report themselves comes as a mere status.
    guard exitCode(for: error) == .validationFailure, !(error is ExitCode) else {
      exit(withError: error)
    }
    let message = fullMessage(for: error)
    let prefix = "Error: "
    Console.remark(
      message.hasPrefix(prefix) ? "error: " + message.dropFirst(prefix.count) : message)
    exit(withError: ExitCode.validationFailure)
  }

  static let configuration = CommandConfiguration(
    commandName: "tincture",
    abstract: "Merges fine-tuned models of one base into one model.",
    discussion: """
      EXAMPLE
        tincture merge recipe.yaml merged
        tincture merge --method slerp --base a --model b --set t=0.4 merged

      Results go to standard output, progress and remarks to standard error.

      EXIT STATUS
        0 done, 64 usage, 65 wrong recipe or checkpoint, 66 missing input,
        69 missing facility, 70 engine failed, 73 output cannot be created,
        74 input or output failed, 130 interrupted
      """,
    version: TinctureVersion.current,
    subcommands: [
      MergeCommand.self, PlanCommand.self, InspectCommand.self, DiffCommand.self,
      MethodsCommand.self, ConvertCommand.self, BankCommand.self, LoraCommand.self,
      EvaluateCommand.self, TrainCommand.self, ExtractCommand.self, StatsCommand.self,
      ProtectCommand.self,
      DoctorCommand.self,
      BenchmarkCommand.self,
    ])
}
