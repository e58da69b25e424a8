"""What the artist is told when a job or a live preview fails, and what the log is told besides."""

from __future__ import annotations

import gc
import logging
import secrets
import sys

from impasto_protocol.errors import ImpastoError, InternalError, OutOfMemory
from impasto_protocol.messages import ErrorInfo

__all__ = ["clear_up", "explain"]

log = logging.getLogger(__name__)

NO_MEMORY = (
    "The device ran out of memory for this picture. "
    "Choose a smaller size or a smaller model, or close other programs, and try again."
)


def explain(what: str, problem: Exception) -> ErrorInfo:
    """What she cannot mend goes to the log, in full, under a reference. `what`: "Job 7", for the log."""
    if isinstance(problem, ImpastoError):
        log.info("%s: %s: %s", what, problem.code, problem.sentence)
        return ErrorInfo(problem.code, problem.sentence)
    if isinstance(problem, MemoryError) or _is_out_of_memory(problem):
        log.warning("%s ran out of memory.", what, exc_info=problem)
        return ErrorInfo(OutOfMemory.code, NO_MEMORY)
    reference = secrets.token_hex(4)
    log.error("%s failed; reference %s", what, reference, exc_info=problem)
    return ErrorInfo(
        InternalError.code,
        f"Something broke inside Impasto. Trying again may help; if not, please report it with what "
        f"log/worker.log says under {reference}.",
    )


def clear_up(error: ErrorInfo) -> None:
    """Gives memory back to the device where it ran out. To be called when the handler of the exception has
    been left: its traceback keeps alive what the failed attempt held.
    """
    if error.code != OutOfMemory.code:
        return
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()


def _is_out_of_memory(problem: Exception) -> bool:
    """torch's own error for a device; for main memory a RuntimeError that is told by its text."""
    torch = sys.modules.get("torch")  # never imported here: an engine that uses it has done so
    if torch is not None and isinstance(problem, torch.cuda.OutOfMemoryError):
        return True
    return isinstance(problem, RuntimeError) and any(
        words in str(problem) for words in ("can't allocate memory", "not enough memory", "out of memory")
    )
