"""Evidence of scanned files: written as it comes up, and never in the way of the verdict."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from clients.cli.errors import show_error
from clients.printable import printable
from realtime.config import MonitorConfig
from realtime.encoders.suite import EncoderSuite
from realtime.errors import EvidenceError
from realtime.evidence.bundle import EvidenceItem, bundle_files
from realtime.evidence.folder import EvidenceFolder
from realtime.evidence.keeping import Keeping
from realtime.evidence.memory import EvidenceSnapshot
from realtime.evidence.provenance import provenance_of
from realtime.evidence.record import Source
from realtime.messages import Narrator, encoder_info
from realtime.scan import scan_config

#: What stands for the call of a scanned file.
CALL = "scan"


class ScanEvidence:
    """Writes evidence for one file after the other.

    Args:
        folder: An open evidence folder.
        encoders: What the files are judged with.
        config: Settings of the pure core, before the memory is widened.

    Attributes:
        failed: Whether any could not be written.
        lost: Bundles since the last one that could not be written.
        written: For each file the names of its bundles.
    """

    def __init__(self, folder: EvidenceFolder, encoders: EncoderSuite, config: MonitorConfig) -> None:
        self._folder = folder
        self._encoders = encoder_info(encoders.ids)
        self._provenance = provenance_of(encoders, scan_config(config))
        self.failed = False
        self.lost = 0
        self.written: list[set[str]] = []

    def for_file(self, path: Path) -> Callable[[EvidenceSnapshot], None]:
        """Return what takes the evidence of one file."""
        name = printable(path.name)
        narrator = Narrator(CALL, name, self._encoders, 0)
        known: list[Source] = []
        written: set[str] = set()
        self.written.append(written)

        def keep(snapshot: EvidenceSnapshot) -> None:
            try:
                if not known:
                    known.append(Source(kind="file", file=name, sha256=_file_sha256(path)))
                message = narrator.alert(snapshot.alert, datetime.now(UTC)).model_dump(mode="json")
                item = EvidenceItem(snapshot=snapshot, alert=message, source=known[0])
                place = self._folder.add(
                    bundle_files(item, self._provenance),
                    call=CALL,
                    state=snapshot.alert.state.value,
                    lost_before=self.lost,
                )
                self.lost = 0
                written.add(f"{place.parent.name}/{place.name}")
            except EvidenceError as error:
                self.failed = True
                self.lost += 1
                show_error(error.message, fix=error.fix)

        return keep


@contextmanager
def scan_evidence(
    keeping: Keeping, encoders: EncoderSuite, config: MonitorConfig
) -> Iterator[ScanEvidence | None]:
    """Keep evidence for the length of a ``with`` block; None where none is wanted.

    Raises:
        EvidenceError: The folder cannot be used.
    """
    if keeping.evidence is None:
        yield None
        return
    with EvidenceFolder(keeping.evidence) as folder:
        folder.expire(keeping.seconds)
        yield ScanEvidence(folder, encoders, config)


def _file_sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise EvidenceError(
            f"{path} cannot be read again.", fix="Leave it there while it is scanned."
        ) from error
