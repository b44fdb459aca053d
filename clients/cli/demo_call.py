"""What a demo needs before it starts: the models, and two clips."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import platformdirs
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from clients.demo.pair import demo_pair
from engines.errors import ModelStoreError
from engines.store.catalogue import PinnedModel
from engines.store.sources import Source
from engines.store.store import FileState, ModelStore
from realtime.errors import ConfigurationError, MediaError

SEED = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoCall:
    """The two clips of the demo, and what is said about them.

    Attributes:
        genuine: A clip that nobody changed.
        tampered: A clip in which a face or a voice is exchanged.
        about: One line about both.
    """

    genuine: Path
    tampered: Path
    about: str


@contextmanager
def _progress() -> Iterator[Progress]:
    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as progress:
        yield progress


def fetch_models(store: ModelStore) -> None:
    """Bring all models into the store.

    Raises:
        ModelStoreError: If a model cannot be had from any source.
    """
    with _progress() as progress:
        task = progress.add_task("models", total=None)

        def show(model: PinnedModel, _source: Source, received: int) -> None:
            progress.update(
                task, description=f"model {model.name}", completed=received, total=model.size_bytes
            )

        results = store.pull(progress=show)
    for result in results:
        if result.state is not FileState.PRESENT:
            tried = "; ".join(f"{attempt.source}: {attempt.failure}" for attempt in result.attempts)
            raise ModelStoreError(
                f"The model {result.model.name} could not be fetched ({tried}).",
                fix="Check the network, or put the file into a folder and name it in SEAMWATCH_MODEL_SOURCE.",
            )


def clips_beside_checkout() -> Path | None:
    """Return the folder of recorded clips that may lie beside the checkout."""
    folder = Path(__file__).resolve().parents[3] / "shared" / "clips"
    return folder if (folder / "manifest.csv").is_file() else None


def clips_cache() -> Path:
    """Return where made clips are kept, so that the next demo starts at once."""
    return platformdirs.user_cache_path("seamwatch") / "demo"


def require_both_or_neither(clip: Path | None, tampered: Path | None) -> None:
    """Check the clips that a user gave.

    Raises:
        ConfigurationError: If only one clip is given.
        MediaError: If a clip is not a file.
    """
    if (clip is None) != (tampered is None):
        raise ConfigurationError(
            "A demo call needs two clips, and only one is given.",
            fix="Give both --clip and --tampered, or neither.",
        )
    for path in (clip, tampered):
        if path is not None and not path.is_file():
            raise MediaError(f"{path} is not a file.", fix="Check the path.")


def prepare_call(
    clip: Path | None, tampered: Path | None, clips_dir: Path | None, folder: Path, seconds: float
) -> DemoCall:
    """Return the clips to stream: those given, else a pair made from recorded clips, else a drawn one.

    Raises:
        MediaError: If recorded clips cannot be read or a made one cannot be written.
    """
    if clip is not None and tampered is not None:
        return DemoCall(genuine=clip, tampered=tampered, about=f"your clips {clip.name} and {tampered.name}")
    with _progress() as progress:
        task = progress.add_task("clips", total=1.0)
        pair = demo_pair(
            clips_dir or clips_beside_checkout(),
            folder,
            seconds=seconds,
            seed=SEED,
            progress=lambda what, share: progress.update(task, description=what, completed=share),
        )
    return DemoCall(genuine=pair.genuine, tampered=pair.tampered, about=pair.description)
