public import ArgumentParser
public import Tincture

extension MixtureRouting: ExpressibleByArgument {}
