"""Logging: structlog on stderr, static event names, and nothing that identifies a face or a host."""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Mapping
from typing import Any, Literal

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from engines.errors import SeamwatchError

FORBIDDEN_WORDS = frozenset(
    {
        "sdp", "offer", "answer", "fragment", "candidate", "candidates", "address", "addresses", "ip", "peer",
        "image", "images", "picture", "thumbnail", "crop", "face", "lips", "audio", "samples", "pcm",
        "embedding", "embeddings", "vector", "vectors", "token", "cookie", "authorization", "password",
    }
)  # fmt: skip

_PLAIN = (str, int, float, bool, type(None))
_TALKATIVE_LIBRARIES = ("aioice", "aiortc", "websockets", "uvicorn.access", "asyncio", "httpx", "httpcore")

LogFormat = Literal["console", "json"]


def drop_forbidden(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Drop every forbidden key, and the content of every value that is not plain (structlog processor)."""
    return {key: _plain(value) for key, value in event.items() if not is_forbidden(key)}


def is_forbidden(key: str) -> bool:
    """Tell whether a key names something that must not be logged: its last word decides."""
    return key.lower().replace("-", "_").rpartition("_")[2] in FORBIDDEN_WORDS


def _plain(value: Any) -> Any:
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items() if not is_forbidden(str(key))}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    return f"<{type(value).__name__}>"


def describe_exception(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace ``exc_info`` by the error's type and its stack (structlog processor).

    The message goes in for Seamwatch's own errors only: those of a library may quote an SDP or an address.
    """
    exc_info = event.pop("exc_info", None)
    error = sys.exc_info()[1] if exc_info is True else exc_info
    if isinstance(error, tuple):
        error = error[1]
    if isinstance(error, BaseException):
        event["error_type"] = type(error).__name__
        if isinstance(error, SeamwatchError):
            event["error"] = str(error)
        event["frames"] = [
            f"{frame.filename}:{frame.lineno} {frame.name}"
            for frame in traceback.extract_tb(error.__traceback__)
        ]
    return event


def configure_logging(format_: LogFormat = "console", *, level: int = logging.INFO) -> None:
    """Send the logs of Seamwatch, and warnings of its libraries, to stderr.

    Args:
        format_: "console" for people, "json" for machines (one object a line).
        level: Least severe level shown, as in the standard library.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        describe_exception,
    ]
    structlog.configure(
        processors=[*shared, drop_forbidden, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    renderer: Processor
    if format_ == "json":
        renderer = structlog.processors.JSONRenderer()
    else:
        renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *shared, _name_library],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, drop_forbidden, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name in _TALKATIVE_LIBRARIES:
        logging.getLogger(name).setLevel(logging.ERROR)


def _name_library(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    record: logging.LogRecord = event["_record"]
    event["library"] = record.name
    event["text"] = event["event"]
    event["event"] = "library_message"
    return event
