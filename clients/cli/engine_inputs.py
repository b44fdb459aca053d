"""What the commands about engines start from: clips, windows, and who builds what."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast, get_args

from clients.cli.demo_call import clips_cache
from clients.demo.clip_writer import clip_suffix
from clients.demo.pair import synthetic_genuine
from engines.backends.base import BackendName, Precision
from engines.backends.registry import BACKEND_NAMES, get_backend
from engines.build.evidence import no_evidence
from engines.build.plan import Plan, make_plan, parse_choices, with_named_backends
from engines.build.record import Windows
from engines.build.sources import Sources, build_request
from engines.errors import EngineError
from engines.selection import AUTO, Selection, complete_with_default
from engines.selection_measure import Trial, choose_backends
from engines.spec import Role
from realtime.config import MonitorConfig
from realtime.encoders.workload import live_load
from realtime.errors import ConfigurationError, MediaError

PRECISIONS: tuple[Precision, ...] = get_args(Precision)

_CLIP_SECONDS = 12.0
_MEDIA_SUFFIXES = frozenset({".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg"})


def live_windows(config: MonitorConfig) -> Windows:
    """Return the windows of the live path."""
    windows = config.windows
    return Windows(
        length_ticks=windows.length_ticks, hop_ticks=windows.hop_ticks, band_ticks=windows.band_ticks
    )


def chosen_clips(given: Sequence[Path], on_make: Callable[[str, float], None]) -> list[Path]:
    """Return the clips to compare on: those given, folders opened, else a synthetic one, made once.

    Args:
        given: Files, and folders of media files.
        on_make: Told about the making of the synthetic clip.

    Raises:
        MediaError: If a file does not exist, a folder holds no media file, or the clip cannot be written.
    """
    if not given:
        clip = clips_cache() / f"synthetic-engines-{_CLIP_SECONDS:g}s{clip_suffix()}"
        if not clip.exists():
            synthetic_genuine(clip, seconds=_CLIP_SECONDS, progress=on_make)
        return [clip]
    clips: list[Path] = []
    for path in given:
        found = sorted(
            item for item in (path.iterdir() if path.is_dir() else ()) if item.suffix in _MEDIA_SUFFIXES
        )
        if not found and not path.is_file():
            raise MediaError(f"{path} is no clip, and no folder of clips.", fix="Check the path.")
        clips += found or [path]
    return clips


def chosen_plan(
    sources: Sources,
    windows: Windows,
    backends: Sequence[str],
    precisions: Sequence[str],
    on_measure: Callable[[], None],
) -> Plan:
    """Decide who builds what.

    Args:
        sources: The reference graphs.
        windows: Windows of the live path.
        backends: As given: ``NAME``, ``auto`` or ``ROLE=NAME``.
        precisions: As given: ``PRECISION`` or ``ROLE=PRECISION``.
        on_measure: Called before CPU backends are measured, which takes some seconds.

    Raises:
        ConfigurationError: If a value is not known.
        MissingBackendError: If a backend is not installed.
        EngineError: If a backend cannot do what is asked.
    """
    try:
        wanted_backends = parse_choices(backends, (AUTO, *BACKEND_NAMES))
        wanted_precisions = parse_choices(precisions, PRECISIONS)
    except EngineError as error:
        raise ConfigurationError(error.message, fix=error.fix) from error
    everywhere = wanted_backends.everywhere or AUTO
    named = {role: cast(BackendName, name) for role, name in wanted_backends.by_role.items() if name != AUTO}
    selection = with_named_backends(_selection(sources, windows, everywhere, on_measure), named)
    for role, name in selection.backends.items():
        backend = get_backend(name)
        backend.require()
        if role not in backend.roles:
            raise EngineError(
                f"{name} builds no engine for {role.value}.", fix="Name another backend for it."
            )
    by_user = set(named)
    if everywhere != AUTO:
        by_user |= {role for role, name in selection.backends.items() if name == everywhere}
    precision = wanted_precisions.everywhere or "fp32"
    return make_plan(
        selection,
        by_user | wanted_precisions.by_role.keys(),
        {role: cast(Precision, wanted_precisions.by_role.get(role, precision)) for role in Role},
        {name: get_backend(name).precisions for name in set(selection.backends.values())},
    )


def _selection(
    sources: Sources, windows: Windows, everywhere: str, on_measure: Callable[[], None]
) -> Selection:
    if everywhere != AUTO:
        name = cast(BackendName, everywhere)
        return complete_with_default(name, get_backend(name).roles, tuple(Role))
    trials = {}
    for role, load in live_load(MonitorConfig()).items():
        request = build_request(sources, role, "fp32", windows, no_evidence(), max_batch=1, threads=1)
        trials[role] = Trial(request=request, inputs=load.inputs)
    return choose_backends(trials, on_measure=on_measure)
