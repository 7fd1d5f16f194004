internal import SystemPackage
internal import TinctureBanks
internal import TinctureTensors

/// The banks that are open while a recipe is planned, so that many experts of one bank cost one look at
/// it and at its base.
///
/// Not `Sendable`: it belongs to the planner that fills it.
final class BankShelf {
  /// The base that every bank must have been made from, when the user names one.
  let requiredBase: ModelInput?
  private var banks: [FilePath: ExpertBank] = [:]
  private var bases: [FilePath: ModelInput] = [:]

  init(requiring base: ModelInput? = nil) { requiredBase = base }

  /// The bank of a path.
  func bank(_ path: FilePath) throws(TinctureError) -> ExpertBank {
    if let bank = banks[path] { return bank }
    let bank = try ExpertBank(opening: path)
    banks[path] = bank
    return bank
  }

  /// The base of the bank of a path, found once.
  func base(
    _ path: FilePath, _ find: () throws(TinctureError) -> ModelInput
  ) throws(TinctureError) -> ModelInput {
    if let base = bases[path] { return base }
    let base = try find()
    bases[path] = base
    return base
  }
}
