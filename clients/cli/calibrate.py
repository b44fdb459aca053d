"""``seamwatch calibrate``: what genuine media looks like, from the operator's own recordings."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from clients.cli.engine_options import engine_options, engines_folder, threads_option
from clients.cli.errors import show_error
from clients.cli.examples import examples
from clients.printable import printable
from clients.recordings import genuine_recordings
from realtime.alerts.feedback_reading import read_false_alarms
from realtime.calibrating import DistinctMaterial, Person, distinct_material, observe_file
from realtime.calibration_feedback import Effect, fed_back, with_false_alarms
from realtime.calibration_file import configuration_sha256, models_of, write_calibration
from realtime.config import MonitorConfig
from realtime.decision.blocks import BlockRule
from realtime.decision.calibration import Calibration, Material
from realtime.decision.fitting import MIN_SPEAKERS, fit
from realtime.encoders.suite import load_encoders
from realtime.errors import CalibrationError, MediaError
from realtime.judge import Judge


@click.command(
    epilog=examples(
        "seamwatch calibrate recordings/ --out calibration.json     # recordings/PERSON/*.mp4",
        "seamwatch serve --calibration calibration.json",
        "seamwatch calibrate recordings/ --feedback false-alarms.jsonl   # as `serve --feedback` wrote it",
    )
)
@click.argument("sources", metavar="SRC...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--faces",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="SRC",
    help="Genuine recordings that count for the face alone, such as dubbed ones. May be given several times.",
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    default=Path("calibration.json"),
    show_default=True,
)
@click.option(
    "--feedback",
    multiple=True,
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="What operators marked as false alarms; counts as genuine too. May be given several times.",
)
@click.option("--describe", metavar="TEXT", help="What the recordings are; shown to operators.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print the outcome as one JSON object, and nothing else."
)
@engine_options
@threads_option
def calibrate(
    *,
    sources: tuple[Path, ...],
    faces: tuple[Path, ...],
    out: Path,
    feedback: tuple[Path, ...],
    describe: str | None,
    as_json: bool,
    engines: Path | None,
    backend: str | None,
    threads: int,
) -> None:
    """Learn from genuine recordings how low real people score, so that alarms keep a stated rate.

    SRC is a folder with one folder a person, or a table (manifest.csv with the columns file, label and
    speaker). Only genuine recordings count, of at least five people;
    the more people, and the more alike to your calls in picture and sound, the better. What is written holds
    similarities, no faces and no voices.
    """
    config = MonitorConfig()
    recordings = genuine_recordings(sources)
    known = len({recording.person for recording in recordings})
    if known < MIN_SPEAKERS:
        raise CalibrationError(
            f"The recordings show {known} people; a calibration needs {MIN_SPEAKERS} at least.",
            fix="Add recordings of more people: one folder a person, or their names in the table.",
        )
    if faces:
        recordings += [replace(recording, face_only=True) for recording in genuine_recordings(faces)]
    alarms = read_false_alarms(feedback)
    encoders = load_encoders(
        config, engines_dir=engines_folder(engines, backend, threads=threads), threads=threads
    )
    people: dict[str, Person] = {}
    unreadable = out_of_sync = 0
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        for recording in progress.track(recordings, description="Observing genuine recordings"):
            person = people.setdefault(recording.person, Person(judge=Judge(config)))
            try:
                in_sync = observe_file(
                    recording.path,
                    person,
                    encoders,
                    config,
                    material=recording.material,
                    face_only=recording.face_only,
                )
                out_of_sync += not in_sync and not recording.face_only
            except MediaError as error:
                unreadable += 1
                show_error(f"{printable(str(recording.path))} is left out: {error.message}", fix=error.fix)
    fitted = partial(
        fit,
        rule=BlockRule(),
        description=describe or ", ".join(printable(source.name) for source in sources),
        engine_ids=models_of(encoders.ids),
        configuration_sha256=configuration_sha256(config),
    )
    recorded = [person.clips for person in people.values()]
    calibration = fitted(recorded)
    distinct = distinct_material(people.values(), calibration.rule.hop_ns)
    calibration = replace(
        calibration,
        material=replace(
            calibration.material,
            description=_described(calibration.material, distinct),
            speakers=distinct.speakers,
            clips=distinct.recordings,
            minutes=distinct.minutes,
        ),
    )
    effect = None
    if feedback:
        back = fed_back(alarms, calibration.engine_ids, calibration.configuration_sha256)
        effect = with_false_alarms(calibration, back, lambda marked: fitted([*recorded, *marked]))
        calibration = effect.calibration
    write_calibration(calibration, out)
    if as_json:
        facts = _facts(calibration, out, unreadable=unreadable, out_of_sync=out_of_sync)
        click.echo(json.dumps(facts | ({} if effect is None else {"feedback": _feedback_facts(effect)})))
    else:
        click.echo(_words(calibration, out, out_of_sync))
        if effect is not None:
            click.echo(_feedback_words(effect))


def _described(material: Material, distinct: DistinctMaterial) -> str:
    more = material.speakers - distinct.speakers
    return f"{material.description}; faces of {more} more people" if more else material.description


def _facts(calibration: Calibration, out: Path, *, unreadable: int, out_of_sync: int) -> dict[str, object]:
    material = calibration.material
    return {
        "file": str(out),
        "speakers": material.speakers,
        "clips": material.clips,
        "minutes": material.minutes,
        "unreadable": unreadable,
        "out_of_sync": out_of_sync,
        "channels": {
            str(channel): {
                "discount": each.discount,
                "levels": {level.name.lower(): dict(ref.poorest) for level, ref in each.levels.items()},
                "blocks": {
                    f"{level.name.lower()}, {age.name.lower()}": reference.blocks
                    for (level, age), reference in each.strata.items()
                },
            }
            for channel, each in calibration.channels.items()
        },
    }


def _feedback_facts(effect: Effect) -> dict[str, object]:
    back = effect.back
    return {
        "used": back.used,
        "participants": len(back.people),
        "without_observations": back.without_observations,
        "of_other_models_or_settings": back.of_others,
        "damaged": back.damaged,
        "alarming_again": effect.alarming_again,
        "discount_without": {str(channel): each.discount for channel, each in effect.alone.channels.items()},
    }


def _feedback_words(effect: Effect) -> str:
    back = effect.back
    lines = [f"  false alarms: {back.used} of {len(back.people)} participants count as genuine, too"]
    for count, why in (
        (back.without_observations, "were kept without observations"),
        (back.of_others, "were raised with other models or settings, and are refused"),
        (back.damaged, "cannot be read"),
    ):
        if count:
            lines.append(f"  {count} {why}")
    for channel, each in effect.alone.channels.items():
        now = effect.calibration.channels.get(channel)
        if now is None:
            lines.append(f"  {channel}: nothing is decided on it any more, because of them; add recordings")
        elif now.discount < each.discount:
            lines.append(f"  {channel}: without them {each.discount:.2f}; the difference is slower alarms")
    if effect.alarming_again:
        lines.append(f"  {effect.alarming_again} participants would still be accused; add recordings of such")
    return "\n".join(lines)


def _words(calibration: Calibration, out: Path, out_of_sync: int) -> str:
    material = calibration.material
    lines = [
        f"{out}: {material.minutes:.1f} minutes of {material.speakers} people, {material.clips} recordings.",
    ]
    for channel, each in calibration.channels.items():
        levels = ", ".join(level.name.lower() for level in sorted(each.levels))
        lines.append(f"  {channel}: qualities {levels}; evidence counts for {each.discount:.2f} of it")
    if out_of_sync:
        lines.append(f"  {out_of_sync} recordings are out of sync; their lips and voice were left out.")
    lines.append("Use it with --calibration on serve, join and scan.")
    return "\n".join(lines)
