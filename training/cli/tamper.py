"""``seamwatch tamper``: real clips, altered in known ways, with the truth beside each file."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from realtime.errors import ConfigurationError, MediaError
from training.cli.console import counting_bar, printable
from training.tamper.compression import PROFILES
from training.tamper.ground_truth import GroundTruth, Origin, write_table
from training.tamper.kind_list import KINDS
from training.tamper.landmarks import load_landmark_finder
from training.tamper.production import Producer, Wish
from training.tamper.recording import read_recording
from training.tamper.tampering import Subject

EXIT_UNREADABLE = 3

_EPILOG = """\b
Kinds:
{kinds}

\b
Examples:
  seamwatch tamper anna.mp4 --kind genuine --kind voice_shifted --out tampered/
  seamwatch tamper anna.mp4 --kind face_swapped --with ben.mp4 --from 4 --out tampered/
  seamwatch tamper *.mp4 --kind lips_retimed --compression call_300k --out tampered/
""".format(kinds="\n".join(f"  {kind.name:<20} {kind.does}" for kind in KINDS.values()))


@click.command(epilog=_EPILOG)
@click.argument("clips", metavar="CLIP...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--kind",
    "kinds",
    multiple=True,
    required=True,
    type=click.Choice(list(KINDS)),
    metavar="KIND",
    help="What to do, see below; may be repeated.",
)
@click.option(
    "--with",
    "others",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="CLIP",
    help="A clip of another person, for kinds that need one; may be repeated.",
)
@click.option(
    "--from",
    "from_s",
    type=click.FloatRange(min=0),
    default=0.0,
    show_default=True,
    metavar="SECONDS",
    help="Leave what comes before as it is.",
)
@click.option(
    "--compression",
    "profiles",
    multiple=True,
    type=click.Choice(list(PROFILES)),
    default=("clean",),
    show_default=True,
    help="How the result is encoded; may be repeated.",
)
@click.option("--seed", type=click.IntRange(min=0), default=20261123, show_default=True, help="Seed.")
@click.option(
    "--out",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Folder of the files, their ground truth and manifest.csv.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a file, and nothing else.")
def tamper(
    *,
    clips: tuple[Path, ...],
    kinds: tuple[str, ...],
    others: tuple[Path, ...],
    from_s: float,
    profiles: tuple[str, ...],
    seed: int,
    out: Path,
    as_json: bool,
) -> None:
    """Make tampered versions of real clips, to measure a detector with.

    Each file gets its ground truth as JSON beside it, and a row in DIR/manifest.csv, which
    seamwatch evaluate --dataset tamper reads. Ask for the kind genuine as well to get controls that are
    encoded alike. The same seed gives the same files. Tamper only with clips of people who agreed to it.

    A clip that does not serve, or is unreadable, does not stop the others; the exit code is then 3.
    """
    versions = sorted(set(kinds), key=list(KINDS).index)
    _check(clips, versions, others)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"{out} cannot be made.", fix="Choose another --out.") from error
    job = _Job(kinds=versions, from_s=from_s, profiles=tuple(dict.fromkeys(profiles)), seed=seed, out=out)
    with counting_bar("tampering", len(clips) * len(versions)) as update:
        truths, all_served = _tamper_all(clips, others, job, lambda done: update(advance=done))
    for truth in truths:
        click.echo(json.dumps(asdict(truth), ensure_ascii=False) if as_json else str(out / truth.file))
    if not all_served:
        sys.exit(EXIT_UNREADABLE)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """What is done to every clip; the genuine control comes first."""

    kinds: Sequence[str]
    from_s: float
    profiles: Sequence[str]
    seed: int
    out: Path


def _check(clips: Sequence[Path], kinds: Sequence[str], others: Sequence[Path]) -> None:
    """Refuse before any work what cannot end well."""
    lonely = next((kind for kind in kinds if KINDS[kind].needs_other and not others), None)
    if lonely is not None:
        raise ConfigurationError(
            f"The kind {lonely} needs a clip of another person.", fix="Name one with --with."
        )
    twice = [stem for stem, count in Counter(clip.stem for clip in clips).items() if count > 1]
    if twice:
        raise ConfigurationError(
            f"More than one clip is called {twice[0]}.", fix="Tamper with them in separate folders."
        )


def _tamper_all(
    clips: Sequence[Path], others: Sequence[Path], job: _Job, advance: Callable[[int], None]
) -> tuple[list[GroundTruth], bool]:
    """Return the truth of all files, and whether every clip served for everything."""
    faces_change = any(KINDS[kind].alters == "face" for kind in job.kinds)
    finder = load_landmark_finder() if faces_change else None
    donors = tuple(Subject(read_recording(path), finder) for path in others)
    truths: list[GroundTruth] = []
    all_served = True
    for clip in clips:
        try:
            producer = Producer(
                Subject(read_recording(clip), finder),
                stem=clip.stem,
                origin=Origin(speaker=clip.stem),
                profiles=[PROFILES[name] for name in job.profiles],
                folder=job.out,
                seed=job.seed,
            )
        except MediaError as error:
            all_served = False
            _show(error)
            advance(len(job.kinds))
            continue
        for kind in job.kinds:
            try:
                truths += producer.make(Wish(kind=kind, from_s=job.from_s, voices=donors, faces=donors))
            except MediaError as error:
                all_served = False
                _show(error)
            advance(1)
    write_table(job.out, truths)
    return truths, all_served


def _show(error: MediaError) -> None:
    click.echo(f"error: {printable(error.message)}\n  fix: {printable(error.fix)}", err=True)
