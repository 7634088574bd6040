"""Names within MXNet's name scopes, read as the structural names that a table states.

`collect_params().save` and `export` write `bertencoder0_transformer0_proj_weight` where
`save_parameters` writes `encoder.transformer_cells.0.proj.weight`. What comes before a block's own
part, its prefix, is a class and a counter of the process, or what the user chose; the rest follows
from the structural name by the rules in `rules.toml`. So the prefixes are looked for, and every
name then is one that a structural name gives, or stays what it is.
"""

from converter.planning.scopes.rename import Renamed, structural
from converter.planning.scopes.rules import VERSIONS, layer_numbers, may_be

__all__ = ["VERSIONS", "Renamed", "layer_numbers", "may_be", "structural"]
