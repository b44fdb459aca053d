"""A report on files, from what scanning them said."""

from __future__ import annotations

from collections.abc import Container, Sequence
from datetime import datetime

from clients.report.subject import Ground, KeptBundle, Loudness, Origin, Portrait, Report, Subject
from clients.report.verification import evidence_check, kept_bundles
from clients.wording import clock, number, verdict_sentence
from realtime.evidence.media import KeptMedia
from realtime.evidence.reading import CheckedEvidence
from realtime.evidence.record import EngineInfo, Provenance
from realtime.scan import ScanResult
from realtime.timebase import NS_PER_S, tick_time_ns
from realtime.types import TimeSpan

_NO_MEDIA = (
    "Pictures of the face and the loudness of the voice, because media was not kept. To see them here: "
    "seamwatch scan FILE --report OUT.html --keep-evidence DIR --keep-media"
)


def scan_report(
    results: Sequence[ScanResult],
    made_at: datetime,
    *,
    program: str,
    provenance: Provenance | None = None,
    evidence: CheckedEvidence | None = None,
    written: Sequence[Container[str]] = (),
) -> Report:
    """Return the report on scanned files.

    Args:
        results: One result a file, in the order in which they are shown.
        made_at: The date that the report bears, with its time zone.
        program: Name and version of this program.
        provenance: What judged the files; None where only the engines' names are known.
        evidence: The folder that their evidence was written to; None where none was kept.
        written: For each file the names of its bundles there.
    """
    bundles = [
        () if evidence is None else kept_bundles(one for one in evidence.bundles if one.name in names)
        for names in written or [()] * len(results)
    ]
    return Report(
        kind="file",
        title="",
        made_at=made_at,
        program=program,
        subjects=tuple(
            _subject(result, own, provenance, program) for result, own in zip(results, bundles, strict=True)
        ),
        check=None if evidence is None else evidence_check(evidence),
    )


def _subject(
    result: ScanResult, bundles: tuple[KeptBundle, ...], provenance: Provenance | None, program: str
) -> Subject:
    readable = result.reasons != ("unreadable",)
    duration_ns = round(result.duration_s * NS_PER_S)
    if result.timeline:
        duration_ns = max(duration_ns, result.timeline[-1].time_ns)
    portraits, loudness = of_media(result.media, 0)
    ground = Ground(
        title="Where it agrees least",
        first=1,
        seams=result.seams,
        intra=result.intra_matrix,
        cross=result.cross_matrix,
        portraits=portraits,
        loudness=loudness,
    )
    return Subject(
        name=result.file,
        verdict=result.verdict,
        reasons=result.reasons,
        sentence=verdict_sentence(result),
        figures=_figures(result),
        span=TimeSpan(start_ns=0, end_ns=duration_ns),
        timeline=result.timeline,
        progress=result.progress,
        alerts=result.alerts,
        grounds=(ground,) if readable else (),
        loudness=() if loudness is None else (loudness,),
        origin=Origin(
            program=program if provenance is None else provenance.program,
            config_sha256=None if provenance is None else provenance.config_sha256,
            engines={name: EngineInfo(id=engine) for name, engine in result.engines.items()}
            if provenance is None
            else provenance.engines,
        ),
        bundles=bundles,
        not_kept=() if result.media is not None or not readable else (_NO_MEDIA,),
        readable=readable,
    )


def of_media(media: KeptMedia | None, offset_ns: int) -> tuple[tuple[Portrait, ...] | None, Loudness | None]:
    """Return kept media on the report's timeline; None for both where none was kept.

    Args:
        media: On the participant's own timeline.
        offset_ns: What leads from there to the report's.
    """
    if media is None:
        return None, None
    portraits = tuple(
        Portrait(time_ns=tick_time_ns(face.tick) + offset_ns, jpeg=face.jpeg) for face in media.faces
    )
    start_ns = tick_time_ns(media.envelope.first_tick) + offset_ns
    return portraits, Loudness(start_ns=start_ns, rms=media.envelope.rms)


def _figures(result: ScanResult) -> tuple[tuple[str, str], ...]:
    return (
        ("Consistency score", number(result.score)),
        ("Face with itself", number(result.intra)),
        ("Lips with voice", number(result.cross)),
        ("Voice after lips", number(result.lag_ms, 0, " ms")),
        ("Length", clock(result.duration_s) if result.duration_s > 0 else number(None)),
        ("Processing delay", number(result.latency_ms, 0, " ms")),
    )
