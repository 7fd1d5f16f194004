import ArgumentParser

/// What is shown.
struct DisplayOptions: ParsableArguments {
  @Flag(help: "Print the result as JSON.")
  var json = false

  @Flag(name: .shortAndLong, help: "Show neither progress nor remarks.")
  var quiet = false
}
