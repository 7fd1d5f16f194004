public import TinctureTensors

/// The libraries that data sets need at run time, each for certain files only.
public enum DataLibraries {
  /// A library.
  public struct Library: Sendable {
    /// The name.
    public let name: String
    /// What it is for.
    public let purpose: String
    /// Why it cannot be used, with how to get it; nil when it can.
    public let problem: TinctureError?
  }

  /// All libraries; each is looked for.
  public static var all: [Library] {
    [
      library("libturbojpeg", "JPEG") { () throws(TinctureError) in _ = try TurboJPEG.shared },
      library("libpng", "PNG") { () throws(TinctureError) in _ = try PNG.shared },
      library("zlib", "npz and gzip") { () throws(TinctureError) in _ = try Zlib.shared },
    ]
  }

  private static func library(
    _ name: String, _ purpose: String, _ load: () throws(TinctureError) -> Void
  ) -> Library {
    do throws(TinctureError) {
      try load()
      return Library(name: name, purpose: purpose, problem: nil)
    } catch { return Library(name: name, purpose: purpose, problem: error) }
  }
}
