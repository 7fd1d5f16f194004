import ArgumentParser

@main
struct TinctureCommand: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "tincture")
}
