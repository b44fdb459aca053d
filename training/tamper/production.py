"""Makes files of one recording: the genuine control and its tampered versions, through several profiles."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from training.tamper.compression import Profile
from training.tamper.ground_truth import GroundTruth, Origin, category_of, write_truth
from training.tamper.kind_list import GENUINE, KINDS
from training.tamper.tampering import Subject, Tampered, tamper
from training.tamper.writing import Output, write_recording, write_with_video_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """One version of a recording.

    Attributes:
        kind: A name in ``KINDS``.
        from_s: Where the tampering begins.
        voices: Recordings of other people for their voices.
        faces: Recordings of other people for their faces.
    """

    kind: str
    from_s: float = 0.0
    voices: tuple[Subject, ...] = ()
    faces: tuple[Subject, ...] = ()

    @property
    def others(self) -> tuple[Subject, ...]:
        """The recordings that the kind may use."""
        return self.voices if KINDS[self.kind].alters == "voice" else self.faces


class Producer:
    """Writes the versions of one recording into a folder.

    The pictures of the genuine control are encoded once; versions that only touch the voice carry the same
    encoded pictures.

    Args:
        subject: The recording.
        stem: What the file names begin with.
        origin: What the ground truth says about it.
        profiles: How each version is compressed.
        folder: Where to; it exists.
        seed: Seed of everything random.
    """

    def __init__(
        self,
        subject: Subject,
        *,
        stem: str,
        origin: Origin,
        profiles: Sequence[Profile],
        folder: Path,
        seed: int,
    ) -> None:
        self._subject = subject
        self._stem = stem
        self._origin = origin
        self._profiles = profiles
        self._folder = folder
        self._seed = seed
        self._freeze_seed = zlib.crc32(f"{seed}\n{stem}".encode())
        self._controls: dict[str, Path] = {}

    def make(self, wish: Wish) -> list[GroundTruth]:
        """Write a version through every profile, each with its ground truth.

        Raises:
            ConfigurationError: If the kind needs a recording of another person.
            MediaError: If the recording does not serve for the kind, or a file cannot be written.
        """
        done = tamper(wish.kind, self._subject, wish.others, from_s=wish.from_s, seed=self._seed)
        outputs = [self._output(done, profile) for profile in self._profiles]
        shared = KINDS[wish.kind].alters == "voice" and all(
            profile.name in self._controls for profile in self._profiles
        )
        recording = self._subject.recording
        if shared:
            for output in outputs:
                write_with_video_of(self._controls[output.profile.name], output, done.audio)
        else:
            write_recording(outputs, done.frames(recording), done.audio, ticks=recording.ticks)
        if done.kind == GENUINE:
            self._controls = {output.profile.name: output.path for output in outputs}
        truths = [self._truth(done, output) for output in outputs]
        for truth in truths:
            write_truth(self._folder, truth)
        return truths

    def _output(self, done: Tampered, profile: Profile) -> Output:
        moment = f"-from{done.from_s:g}s" if done.from_s else ""
        name = f"{self._stem}--{done.kind}{moment}--{profile.name}{profile.container}"
        return Output(path=self._folder / name, profile=profile, seed=self._freeze_seed)

    def _truth(self, done: Tampered, output: Output) -> GroundTruth:
        control = self._controls.get(output.profile.name)
        width, height = self._subject.recording.size
        return GroundTruth(
            file=output.path.name,
            label="real" if done.kind == GENUINE else "fake",
            category=category_of(done),
            kind=done.kind,
            from_s=done.from_s,
            to_s=done.to_s,
            sources=done.sources,
            seed=self._seed,
            compression=output.profile.name,
            variant=done.variant,
            amount=done.amount,
            control="" if done.kind == GENUINE or control is None else control.name,
            duration_s=self._subject.recording.duration_s,
            frame_rate=output.profile.frame_rate,
            width=width,
            height=height,
            origin=self._origin,
        )
