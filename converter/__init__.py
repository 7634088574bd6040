"""MXNet/GluonNLP `.params` checkpoints → Transformers directories, without MXNet, proven equal.

    import converter

    report = converter.convert("bort.params", "out")        # writes out/, or raises ConvertError
    report = converter.verify("bort.params", "out")         # repeats the proof
    converter.add_tokenizer("out", vocab="my_uncased.vocab")  # for one converted without
    inspection = converter.inspect("bort.params")           # names, dtypes, shapes, families
    converter.export("any.params", "any.safetensors")       # its own names, bit for bit
    arrays = converter.load_params("any.params")            # name → NumPy array, read on use
    converter.save_params("new.params", arrays)             # to the byte as MXNet writes them

Importing this package imports neither torch nor transformers.
"""

from converter.api import Inspection, add_tokenizer, convert, export, inspect, verify
from converter.errors import (
    ConvertError,
    NonfiniteError,
    ParamsError,
    ParityError,
    PlanError,
    TableError,
    VocabularyError,
    WriteError,
)
from converter.params import load_params, save_params
from converter.planning.plan import Plan
from converter.report.record import ExportReport, Report

__all__ = [
    "ConvertError",
    "ExportReport",
    "Inspection",
    "NonfiniteError",
    "ParamsError",
    "ParityError",
    "Plan",
    "PlanError",
    "Report",
    "TableError",
    "VocabularyError",
    "WriteError",
    "add_tokenizer",
    "convert",
    "export",
    "inspect",
    "load_params",
    "save_params",
    "verify",
]
