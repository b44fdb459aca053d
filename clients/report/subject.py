"""What a report says, before it becomes a page or JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from realtime.evidence.record import EngineInfo
from realtime.types import Alert, Float32, Score, ScoreStatus, Seam, SimilarityMatrix, TimeSpan, Verdict

#: Scores that are further apart than this are not joined: nothing was kept in between.
LONGEST_STEP_NS = 2_500_000_000
#: A score speaks for the second that its window covers where there is none right before it.
WINDOW_NS = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Portrait:
    """A small picture of the face.

    Attributes:
        time_ns: When, on the report's timeline.
        jpeg: 112 x 112 px.
    """

    time_ns: int
    jpeg: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loudness:
    """How loud it was.

    Attributes:
        start_ns: Start of the first value.
        rms: float32, one value every 40 ms, full scale 1; NaN where sound is missing.
    """

    start_ns: int
    rms: Float32


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What the judgement rests on at one moment.

    Attributes:
        title: Which moment, in words.
        first: Number of the first seam, counted over all of a subject's.
        seams: The pairs of moments that disagree most, worst first.
        intra: Face with face; None where it was not kept.
        cross: Lips with voice; None where it was not kept.
        portraits: Pictures around the seams, oldest first; None where media was not kept.
        loudness: None where media was not kept.
    """

    title: str
    first: int
    seams: tuple[Seam, ...]
    intra: SimilarityMatrix | None
    cross: SimilarityMatrix | None
    portraits: tuple[Portrait, ...] | None = None
    loudness: Loudness | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What made the scores.

    Attributes:
        program: Name and version.
        config_sha256: Hash of the settings; None where it was not kept.
        engines: What ran for each part.
    """

    program: str | None
    config_sha256: str | None
    engines: Mapping[str, EngineInfo]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptBundle:
    """A bundle of evidence and what was found in it.

    Attributes:
        name: ``CALL/NUMBER-STATE``.
        sha256: Of its manifest; None where it has none.
        faults: What is wrong, in words; empty where nothing is.
    """

    name: str
    sha256: str | None
    faults: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One file, or one participant of a call.

    Attributes:
        name: Of the file or the participant.
        verdict: The verdict on all of it.
        reasons: Why, as stable identifiers.
        sentence: The verdict in words for a layperson.
        figures: Numbers to show, with their names.
        span: What the timeline covers.
        timeline: Scores, oldest first; what was not kept is left out.
        progress: For each of them how far the test was towards an alarm, in [0, 1]; empty where not kept.
        alerts: Every transition that is known.
        words: What the operator said of a transition, by its time in ns.
        grounds: What the judgement rests on.
        loudness: Everything that is known of it, in order.
        origin: What made the scores.
        bundles: The evidence; empty where there is none.
        not_kept: What is missing here, and how to keep it next time, in words.
        readable: Whether anything could be read at all.
    """

    name: str
    verdict: Verdict
    reasons: tuple[str, ...]
    sentence: str
    figures: tuple[tuple[str, str], ...]
    span: TimeSpan
    timeline: tuple[Score, ...]
    alerts: tuple[Alert, ...]
    grounds: tuple[Ground, ...]
    loudness: tuple[Loudness, ...]
    origin: Origin
    progress: tuple[float | None, ...] = ()
    words: Mapping[int, str] = field(default_factory=dict)
    bundles: tuple[KeptBundle, ...] = ()
    not_kept: tuple[str, ...] = ()
    readable: bool = True

    @property
    def verified(self) -> bool | None:
        """Whether all evidence is as it was written; None where there is none."""
        return not any(bundle.faults for bundle in self.bundles) if self.bundles else None

    @property
    def shows_faces(self) -> bool:
        """Whether pictures of a face are in it."""
        return any(ground.portraits for ground in self.grounds)


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceCheck:
    """What verification of an evidence folder said.

    Attributes:
        folder: The folder as given.
        bundles: How many bundles it holds, of all calls.
        head: SHA-256 that stands for everything in it.
        faults: What is wrong, in words; empty where nothing is.
    """

    folder: str
    bundles: int
    head: str
    faults: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A whole report.

    Attributes:
        kind: What the subjects are: "file" or "participant".
        title: What it is about, for people; empty for files.
        made_at: When it was made, with its time zone.
        program: Name and version of the program that made it.
        subjects: In the order in which they are shown.
        check: What verification said; None where no evidence was named.
        notes: What else a reader has to know, in words.
    """

    kind: str
    title: str
    made_at: datetime
    program: str
    subjects: tuple[Subject, ...]
    check: EvidenceCheck | None = None
    notes: tuple[str, ...] = ()


def step_span(timeline: tuple[Score, ...], index: int) -> TimeSpan:
    """Return the stretch that a score speaks for: from the one before, or its own window."""
    end_ns = timeline[index].time_ns
    before_ns = timeline[index - 1].time_ns if index else end_ns - LONGEST_STEP_NS - 1
    start_ns = before_ns if end_ns - before_ns <= LONGEST_STEP_NS else end_ns - WINDOW_NS
    return TimeSpan(start_ns=max(0, min(start_ns, end_ns)), end_ns=end_ns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """How the time that is on record divides.

    Attributes:
        recorded_ns: Time for which there are scores.
        judged: Share of it with a score to rely on, in [0, 1].
        reasons: Share of it that each reason touched, largest first.
    """

    recorded_ns: int
    judged: float
    reasons: tuple[tuple[str, float], ...]


def shares(timeline: tuple[Score, ...]) -> Shares:
    """Return how much of the time could be judged, and what stood in the way of the rest."""
    by_reason: Counter[str] = Counter()
    recorded_ns = judged_ns = 0
    for index, score in enumerate(timeline):
        length_ns = step_span(timeline, index).duration_ns
        recorded_ns += length_ns
        if score.status is ScoreStatus.OK:
            judged_ns += length_ns
        else:
            by_reason.update(dict.fromkeys(score.reasons, length_ns))
    return Shares(
        recorded_ns=recorded_ns,
        judged=judged_ns / recorded_ns if recorded_ns else 0.0,
        reasons=tuple(
            (reason, length_ns / recorded_ns) for reason, length_ns in by_reason.most_common() if recorded_ns
        ),
    )
