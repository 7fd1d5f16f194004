@_exported public import TinctureBanks
@_exported public import TinctureCheckpoints
@_exported public import TinctureJSON
@_exported public import TinctureMergeMethods
@_exported public import TinctureMerging
@_exported public import TinctureRecipes
@_exported public import TinctureSafetensors
@_exported public import TinctureTensors
