"""The writer beside the monitor: bounded, counted, and harmless when the folder is not."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from realtime.errors import EvidenceError
from realtime.evidence.folder import EvidenceFolder
from realtime.evidence.keeper import MAX_WAITING, EvidenceKeeper
from realtime.evidence.reading import check_path
from realtime.observe.metrics import MonitorMetrics
from tests.support.evidence_bundles import Stream, item_of, provenance_for


class Disk(EvidenceFolder):
    """A folder whose disk a test can hold up or fill."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, clock=lambda: self.time_s)
        self.time_s = 1_772_000_000.0
        self.reached = threading.Event()
        self.going = threading.Event()
        self.going.set()
        self.full = False

    def add(self, *arguments: object, **options: object) -> Path:
        self.reached.set()
        assert self.going.wait(20)
        if self.full:
            raise EvidenceError("No space.", fix="Make some.")
        return super().add(*arguments, **options)


@asynccontextmanager
async def opened(root: Path) -> AsyncIterator[tuple[EvidenceKeeper, Disk, MonitorMetrics]]:
    disk, metrics = Disk(root), MonitorMetrics()
    keeper = EvidenceKeeper(disk, provenance_for(), metrics, keep_for_s=1000.0)
    await keeper.open()
    try:
        yield keeper, disk, metrics
    finally:
        disk.going.set()
        await keeper.aclose()


def counted(metrics: MonitorMetrics, outcome: str) -> float:
    return metrics.registry.get_sample_value("seamwatch_evidence_total", {"outcome": outcome}) or 0.0


async def test_what_waits_is_written_before_the_end(tmp_path: Path) -> None:
    async with opened(tmp_path) as (keeper, _, metrics):
        for seed in range(3):
            keeper.offer(item_of(Stream(seed=seed)))
    assert counted(metrics, "written") == 3
    assert check_path(tmp_path).good
    assert len(check_path(tmp_path).bundles) == 3


async def test_a_disk_that_hangs_holds_nobody_up_and_what_is_dropped_is_told(tmp_path: Path) -> None:
    async with opened(tmp_path) as (keeper, disk, metrics):
        disk.going.clear()
        for _ in range(MAX_WAITING + 2):
            keeper.offer(item_of())
        assert counted(metrics, "dropped") == 2
        disk.going.set()
    assert counted(metrics, "written") == MAX_WAITING
    lost = [bundle.manifest.lost_before for bundle in check_path(tmp_path).bundles]
    assert sum(lost) == 2


async def test_a_full_disk_is_told_and_forgotten_once_there_is_room(tmp_path: Path) -> None:
    async with opened(tmp_path) as (keeper, disk, metrics):
        disk.full = True
        keeper.offer(item_of())
        await keeper.expire()
        assert keeper.failing
        assert counted(metrics, "failed") == 1
        disk.full = False
        keeper.offer(item_of())
        await keeper.expire()
        assert not keeper.failing
    (bundle,) = check_path(tmp_path).bundles
    assert bundle.manifest.lost_before == 1


async def test_a_defect_in_the_writing_is_a_failure_like_any_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> dict[str, bytes]:
        raise ZeroDivisionError

    async with opened(tmp_path) as (keeper, _, metrics):
        with monkeypatch.context() as patch:
            patch.setattr("realtime.evidence.keeper.bundle_files", broken)
            keeper.offer(item_of())
            await keeper.expire()
        assert keeper.failing
        assert counted(metrics, "failed") == 1


async def test_what_is_too_old_goes_at_the_start_and_when_asked(tmp_path: Path) -> None:
    async with opened(tmp_path) as (keeper, disk, _):
        keeper.offer(item_of())
        await keeper.expire()
        disk.time_s += 500
        await keeper.expire()
        assert len(check_path(tmp_path).bundles) == 1
        disk.time_s += 501
        await keeper.expire()
        assert check_path(tmp_path).bundles == ()
        keeper.offer(item_of())
    late = Disk(tmp_path)
    late.time_s += 9000
    keeper = EvidenceKeeper(late, provenance_for(), MonitorMetrics(), keep_for_s=1000.0)
    await keeper.open()
    await keeper.aclose()
    checked = check_path(tmp_path)
    assert checked.good
    assert checked.bundles == ()


async def test_a_folder_that_cannot_be_used_is_refused_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    keeper = EvidenceKeeper(
        EvidenceFolder(tmp_path / "file"), provenance_for(), MonitorMetrics(), keep_for_s=1.0
    )
    with pytest.raises(EvidenceError):
        await keeper.open()
