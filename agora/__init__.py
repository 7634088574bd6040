"""Fine-tune when labels are scarce: grid search, pseudo-labels, or Agora (see README.md)."""

from agora.errors import AgoraError
from agora.grid import grid
from agora.ledger import Work
from agora.log import Result, Round, Step
from agora.loop import Run
from agora.points import Split

__all__ = ["AgoraError", "Result", "Round", "Run", "Split", "Step", "Work", "grid"]
