"""Agora: fine-tune when labels are scarce, by learning near the mistakes (see README.md)."""

from agora.errors import AgoraError
from agora.grid import grid
from agora.ledger import Ledger, Work
from agora.log import Result, Round, table
from agora.loop import agora
from agora.points import Split
from agora.task import Classification, Regression

__all__ = [
    "AgoraError",
    "Classification",
    "Ledger",
    "Regression",
    "Result",
    "Round",
    "Split",
    "Work",
    "agora",
    "grid",
    "table",
]
