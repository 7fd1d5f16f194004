import ArgumentParser
import Tincture

struct BankCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bank",
    abstract: "Store many experts of one base in a few bits each.",
    discussion: """
      A bank holds what each expert differs by from the base. Recipes take an expert \
      out of it wherever a model stands, as FILE#NAME.

      EXAMPLE
        tincture bank create --base base --expert cars=cars --expert sun=sun \\
          --codec rtvq --base-bits 3 --offset-bits 2 --output experts.bank
        tincture merge --method ties --base base --model experts.bank#cars \\
          --model experts.bank#sun merged
      """,
    subcommands: [
      BankCreateCommand.self, BankAddCommand.self, BankRemoveCommand.self, BankShowCommand.self,
      BankExtractCommand.self, BankVerifyCommand.self,
    ])
}

/// An expert as the command line names it: `NAME=PATH`.
struct NamedExpert: ExpressibleByArgument {
  let name: String
  let path: String

  init?(argument: String) {
    guard let mark = argument.firstIndex(of: "="), mark > argument.startIndex else { return nil }
    name = String(argument[..<mark])
    path = String(argument[argument.index(after: mark)...])
    if path.isEmpty { return nil }
  }
}

/// Opens what the command line names.
enum BankInputs {
  static func open(_ text: String, locator: ModelLocator = ModelLocator())
    throws(TinctureError) -> ModelInput
  {
    try ModelInput(opening: ModelReference(parsing: text), locator: locator)
  }
}
