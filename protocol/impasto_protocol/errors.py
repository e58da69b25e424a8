"""Everything that can go wrong, as one tree.

    ImpastoError                      code                  who can mend it
    ├── FrameError                                          (a program that speaks the protocol wrongly)
    │   ├── MalformedFrame            malformed_frame
    │   ├── FrameTooLarge             frame_too_large
    │   ├── UnknownMessage            unknown_message
    │   ├── VersionUnsupported        version_unsupported
    │   └── TooFast                   too_fast
    ├── RequestError                                        (the artist, by changing what she asked for)
    │   ├── BadValue                  bad_value
    │   ├── EmptyPrompt               empty_prompt
    │   ├── EmptyMask                 empty_mask
    │   ├── SizeMismatch              size_mismatch
    │   ├── BadImage                  bad_image
    │   ├── ImageTooLarge             image_too_large
    │   ├── UnknownModel              unknown_model
    │   ├── BadModel                  bad_model
    │   ├── UnknownJob                unknown_job
    │   ├── UnknownCanvas             unknown_canvas
    │   ├── StaleCanvas               stale_canvas
    │   └── NoSuchInput               no_such_input
    ├── ResourceError                                       (the machine has too little of something)
    │   ├── OutOfMemory               out_of_memory
    │   ├── DiskFull                  disk_full
    │   └── QueueFull                 queue_full
    ├── ServerError                                         (the server, its start or its workers)
    │   ├── ServerUnreachable         server_unreachable
    │   ├── Unauthorized              unauthorized
    │   ├── AlreadyRunning            already_running
    │   ├── PortTaken                 port_taken
    │   └── WorkerCrashed             worker_crashed
    └── InternalError                 internal              (us: a defect; the log says more)

Codes are stable: programs may compare them for ever. The sentence is for the artist: it says what
happened and what to do next, and never carries a traceback, a token or another client's data.
Sentences travel on the wire; `from_code` turns a received code back into its class.
"""

from typing import ClassVar, Dict, Type

__all__ = [
    "AlreadyRunning",
    "BadImage",
    "BadModel",
    "BadValue",
    "DiskFull",
    "EmptyMask",
    "EmptyPrompt",
    "FrameError",
    "FrameTooLarge",
    "ImageTooLarge",
    "ImpastoError",
    "InternalError",
    "MalformedFrame",
    "NoSuchInput",
    "OutOfMemory",
    "PortTaken",
    "QueueFull",
    "RequestError",
    "ResourceError",
    "ServerError",
    "ServerUnreachable",
    "SizeMismatch",
    "StaleCanvas",
    "TooFast",
    "Unauthorized",
    "UnknownCanvas",
    "UnknownJob",
    "UnknownMessage",
    "UnknownModel",
    "VersionUnsupported",
    "WorkerCrashed",
    "from_code",
]


class ImpastoError(Exception):
    """Root of the tree. `str(error)` is the sentence for the artist."""

    code: ClassVar[str] = "internal"

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class FrameError(ImpastoError):
    """A peer broke the protocol."""

    code = "malformed_frame"


class MalformedFrame(FrameError):
    code = "malformed_frame"


class FrameTooLarge(FrameError):
    code = "frame_too_large"


class UnknownMessage(FrameError):
    code = "unknown_message"


class VersionUnsupported(FrameError):
    code = "version_unsupported"


class TooFast(FrameError):
    code = "too_fast"


class RequestError(ImpastoError):
    """The request cannot be met as it stands."""

    code = "bad_value"


class BadValue(RequestError):
    code = "bad_value"


class EmptyPrompt(RequestError):
    code = "empty_prompt"


class EmptyMask(RequestError):
    code = "empty_mask"


class SizeMismatch(RequestError):
    code = "size_mismatch"


class BadImage(RequestError):
    code = "bad_image"


class ImageTooLarge(RequestError):
    code = "image_too_large"


class UnknownModel(RequestError):
    code = "unknown_model"


class BadModel(RequestError):
    code = "bad_model"


class UnknownJob(RequestError):
    code = "unknown_job"


class UnknownCanvas(RequestError):
    code = "unknown_canvas"


class StaleCanvas(RequestError):
    code = "stale_canvas"


class NoSuchInput(RequestError):
    code = "no_such_input"


class ResourceError(ImpastoError):
    """The machine has too little of something."""

    code = "out_of_memory"


class OutOfMemory(ResourceError):
    code = "out_of_memory"


class DiskFull(ResourceError):
    code = "disk_full"


class QueueFull(ResourceError):
    code = "queue_full"


class ServerError(ImpastoError):
    """The server cannot be reached, started, or kept running."""

    code = "server_unreachable"


class ServerUnreachable(ServerError):
    code = "server_unreachable"


class Unauthorized(ServerError):
    code = "unauthorized"


class AlreadyRunning(ServerError):
    code = "already_running"


class PortTaken(ServerError):
    code = "port_taken"


class WorkerCrashed(ServerError):
    code = "worker_crashed"


class InternalError(ImpastoError):
    """A defect of ours. The server's log has the traceback; the wire never does."""

    code = "internal"


_BRANCHES = (FrameError, RequestError, ResourceError, ServerError)


def _leaves() -> Dict[str, Type[ImpastoError]]:
    leaves: Dict[str, Type[ImpastoError]] = {"internal": InternalError}
    for branch in _BRANCHES:
        for leaf in branch.__subclasses__():
            leaves[leaf.code] = leaf
    return leaves


_LEAVES = _leaves()


def from_code(code: str, sentence: str) -> ImpastoError:
    """The error a peer reported. A code of a newer server becomes a plain `ImpastoError`."""
    return _LEAVES.get(code, ImpastoError)(sentence)
