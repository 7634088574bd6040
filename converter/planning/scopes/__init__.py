"""Names within MXNet's name scopes, read as the structural names that a table states.

`collect_params().save` and `export` write `bertencoder0_transformer0_proj_weight` where
`save_parameters` writes `encoder.transformer_cells.0.proj.weight`. What comes before a block's own
part, its prefix, is a class and a counter of the process, or what the user chose; the rest follows
from the structural name by the rules in `rules.toml`. So the prefixes are looked for, and every
name then is one that a structural name gives, or stays what it is.
"""

from converter.planning.scopes.models import first_meant as first_meant
from converter.planning.scopes.models import is_meant as is_meant
from converter.planning.scopes.rename import Renamed as Renamed
from converter.planning.scopes.rename import models_within as models_within
from converter.planning.scopes.rename import structural as structural
from converter.planning.scopes.rename import without_kind as without_kind
from converter.planning.scopes.rules import VERSIONS as VERSIONS
from converter.planning.scopes.rules import class_of as class_of
from converter.planning.scopes.rules import has_layer as has_layer
from converter.planning.scopes.rules import layer_numbers as layer_numbers
from converter.planning.scopes.rules import may_be as may_be
from converter.planning.scopes.rules import namesake as namesake
from converter.planning.scopes.rules import spelled as spelled
