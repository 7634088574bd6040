"""MXNet/GluonNLP checkpoints → Transformers directories or PyTorch modules, proven equal.

    import converter

    report = converter.convert("bort.params", "out")        # writes out/, or raises ConvertError
    report = converter.verify("bort.params", "out")         # repeats the proof
    report = converter.convert("net-0000.params", "net")    # beside net-symbol.json: a module
    converter.add_tokenizer("out", vocab="my_uncased.vocab")  # for one converted without
    inspection = converter.inspect("bort.params")           # names, dtypes, shapes, families
    facts = converter.inspect_graph("net-symbol.json")      # operators, inputs, outputs, traps
    converter.export("any.params", "any.safetensors")       # its own names, bit for bit
    arrays = converter.load_params("any.params")            # name → NumPy array, read on use
    converter.save_params("new.params", arrays)             # to the byte as MXNet writes them

Importing this package imports neither torch nor transformers.
"""

from converter.api import Inspection as Inspection
from converter.api import add_tokenizer as add_tokenizer
from converter.api import convert as convert
from converter.api import export as export
from converter.api import inspect as inspect
from converter.api import inspect_graph as inspect_graph
from converter.api import verify as verify
from converter.errors import ConvertError as ConvertError
from converter.errors import GraphError as GraphError
from converter.errors import NoFamilyError as NoFamilyError
from converter.errors import NonfiniteError as NonfiniteError
from converter.errors import OptionError as OptionError
from converter.errors import ParamsError as ParamsError
from converter.errors import ParityError as ParityError
from converter.errors import PlanError as PlanError
from converter.errors import TableError as TableError
from converter.errors import VocabularyError as VocabularyError
from converter.errors import WriteError as WriteError
from converter.params import load_params as load_params
from converter.params import save_params as save_params
from converter.planning.base import Plan as Plan
from converter.planning.plan import TablePlan as TablePlan
from converter.report.record import ExportReport as ExportReport
from converter.report.record import Report as Report
from converter.version import VERSION

__version__ = VERSION
