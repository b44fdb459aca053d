"""The evidence folder: what lies in it, crashes, full disks, age, and what verification says."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from realtime.errors import EvidenceError
from realtime.evidence import folder as folder_module
from realtime.evidence.bundle import bundle_files
from realtime.evidence.folder import EvidenceFolder
from realtime.evidence.reading import check_path, pack
from realtime.evidence.record import CHAIN_NAME, MANIFEST_NAME, RECORD_NAME
from realtime.types import AlertState
from tests.support.evidence_bundles import Stream, item_of, provenance_for

DAY_S = 86_400.0


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "evidence"


class Clock:
    def __init__(self) -> None:
        self.time_s = 1_772_000_000.0

    def __call__(self) -> float:
        return self.time_s


def files(seed: int = 0, call: str = "standup", state: AlertState = AlertState.ALERT) -> dict[str, bytes]:
    return bundle_files(item_of(Stream(seed=seed), call=call, state=state), provenance_for())


def filled(root: Path, count: int = 3) -> list[Path]:
    with EvidenceFolder(root) as folder:
        return [folder.add(files(seed), call="standup", state="alert") for seed in range(count)]


def said(path: Path) -> str:
    return "\n".join(f"{finding.file} {finding.fault}" for finding in check_path(path).findings())


def test_only_the_owner_can_read_it(root: Path) -> None:
    (place,) = filled(root, 1)
    assert place == root / "standup" / "000001-alert"
    modes = {
        path.relative_to(root).as_posix(): stat.S_IMODE(path.stat().st_mode)
        for path in [root, *root.rglob("*")]
    }
    assert {mode for path, mode in modes.items() if (root / path).is_dir()} == {0o700}
    assert {mode for path, mode in modes.items() if (root / path).is_file()} == {0o600}
    assert sorted(path.name for path in place.iterdir()) == [
        "embeddings.npz",
        "evidence.json",
        "manifest.json",
        "trace.csv",
    ]


def test_it_goes_on_after_a_restart(root: Path) -> None:
    filled(root, 2)
    with EvidenceFolder(root) as folder:
        place = folder.add(files(9, state=AlertState.CLEAR), call="standup", state="clear", lost_before=2)
        head = folder.head
    assert place.name == "000003-clear"
    checked = check_path(root)
    assert checked.good
    assert [bundle.name for bundle in checked.bundles] == [
        "standup/000001-alert",
        "standup/000002-alert",
        "standup/000003-clear",
    ]
    assert checked.chain is not None
    assert checked.chain.head == head
    manifest = checked.bundles[-1].manifest
    assert manifest is not None
    assert (manifest.lost_before, manifest.previous) == (2, checked.chain.heads[-2])


@pytest.mark.parametrize("call", ["../../etc", "", ".part-x", "Chain.jsonl", "a/b", "ann and bob", "x" * 300])
def test_no_call_is_a_way_out_of_the_folder(root: Path, call: str) -> None:
    with EvidenceFolder(root) as folder:
        place = folder.add(files(call=call), call=call, state="alert")
    assert place.parent.parent == root
    assert place.parent.name.startswith("call-")
    assert check_path(root).good


def test_two_programs_do_not_write_into_one_folder(root: Path) -> None:
    with EvidenceFolder(root), pytest.raises(EvidenceError, match="in use"):
        EvidenceFolder(root).open()


def swap(first: Path, second: Path) -> None:
    aside = first.with_name("aside")
    first.rename(aside)
    second.rename(first)
    aside.rename(second)


def lines_of(root: Path) -> list[bytes]:
    return (root / CHAIN_NAME).read_bytes().splitlines(keepends=True)


def rewritten(change: Callable[[list[bytes]], list[bytes]]) -> Callable[[Path, list[Path]], object]:
    return lambda root, _: (root / CHAIN_NAME).write_bytes(b"".join(change(lines_of(root))))


def remove(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()


def copy_of(place: Path, name: str) -> None:
    copy = place.with_name(name)
    copy.mkdir()
    for path in place.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda _, places: remove(places[1]), "000002 the bundle of entry 2 is missing"),
        (lambda _, places: (places[1] / RECORD_NAME).unlink(), "evidence.json is missing"),
        (lambda _, places: (places[1] / MANIFEST_NAME).unlink(), "manifest.json is missing"),
        (lambda _, places: (places[0] / "note.txt").touch(), "note.txt was added"),
        (lambda _, places: swap(places[0], places[1]), "belongs at standup/000001-alert"),
        (
            lambda _, places: swap(places[0] / RECORD_NAME, places[1] / RECORD_NAME),
            "evidence.json was changed",
        ),
        (lambda _, places: copy_of(places[0], "000004-alert"), "is not in the chain"),
        (rewritten(lambda lines: lines[:-1]), "standup/000003-alert is not in the chain"),
        (rewritten(lambda lines: [*lines[:-1], lines[-1][:40]]), "the last line is cut off"),
        (rewritten(lambda lines: [lines[0], lines[2], lines[1], lines[3]]), "inserted or reordered"),
        (rewritten(lambda lines: [*lines[:2], lines[1], *lines[2:]]), "inserted or reordered"),
        (rewritten(lambda lines: lines[:1] + lines[2:]), "entries are missing"),
        (rewritten(lambda lines: lines[1:]), "entries are missing"),
        (rewritten(lambda _: []), "it is empty"),
        (lambda root, places: places[0].parent.rename(root / "other"), "belongs at standup/000001-alert"),
    ],
)
def test_what_was_done_to_it_is_told(root: Path, change: Callable[..., object], complaint: str) -> None:
    places = filled(root)
    assert check_path(root).good
    change(root, places)
    assert complaint in said(root)


def test_a_bundle_is_checked_alone_or_packed(root: Path, tmp_path: Path) -> None:
    _, place, _ = filled(root)
    packed = tmp_path / "one.zip"
    pack(place, packed)
    assert stat.S_IMODE(packed.stat().st_mode) == 0o600
    for path in (place, packed):
        checked = check_path(path)
        assert checked.good
        assert checked.chain is not None
        assert len(checked.bundles) == 1
    with pytest.raises(EvidenceError, match="packed"):
        pack(place, packed)
    alone = tmp_path / "elsewhere" / "deep"
    alone.parent.mkdir()
    place.rename(alone)
    assert check_path(alone).good
    assert check_path(alone).chain is None


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 nonsense", b"text"])
def test_what_is_no_evidence_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "some.zip").write_bytes(content)
    for path in (tmp_path / "some.zip", tmp_path, tmp_path / "absent"):
        with pytest.raises(EvidenceError):
            check_path(path)


def test_a_crash_before_the_chain_tells_of_a_bundle_is_put_right(root: Path) -> None:
    filled(root)
    chain = root / CHAIN_NAME
    whole = chain.read_bytes()
    for kept in (b"".join(lines_of(root)[:-1]), whole[:-30]):
        chain.write_bytes(kept)
        (root / ".part-000004-alert").mkdir()
        with EvidenceFolder(root):
            assert chain.read_bytes() == whole
        assert not list(root.glob(".part-*"))
        assert check_path(root).good


def test_nothing_is_added_to_a_damaged_chain(root: Path) -> None:
    places = filled(root)
    chain = root / CHAIN_NAME
    whole = chain.read_bytes()
    chain.write_bytes(whole.replace(b'"n":2', b'"n":7'))
    with pytest.raises(EvidenceError, match="damaged"):
        EvidenceFolder(root).open()
    chain.unlink()
    with pytest.raises(EvidenceError, match="chain is missing"):
        EvidenceFolder(root).open()
    chain.write_bytes(b"".join(whole.splitlines(keepends=True)[:-1]))
    (places[-1] / RECORD_NAME).write_bytes(b"{}")
    with pytest.raises(EvidenceError, match="not of this chain"):
        EvidenceFolder(root).open()


@pytest.mark.parametrize("writes", range(9))
def test_a_disk_that_fills_up_leaves_everything_as_it_was(
    root: Path, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    """Five files are written and synced for a bundle; each of these steps may be the one that fails."""
    steps = 0

    def failing(step: Callable[..., object]) -> Callable[..., object]:
        def tried(*arguments: object) -> object:
            nonlocal steps
            steps += 1
            if steps > writes:
                raise OSError(errno.ENOSPC, "No space left on device")
            return step(*arguments)

        return tried

    with EvidenceFolder(root) as folder:
        folder.add(files(0), call="standup", state="alert")
        before = (root / CHAIN_NAME).read_bytes()
        with monkeypatch.context() as full:
            full.setattr(os, "write", failing(os.write))
            full.setattr(os, "fsync", failing(os.fsync))
            with pytest.raises(EvidenceError, match="No space"):
                folder.add(files(1), call="standup", state="alert")
        assert (root / CHAIN_NAME).read_bytes() == before
        assert check_path(root).good
        assert folder.add(files(2), call="standup", state="alert").name == "000002-alert"
    assert check_path(root).good


def test_a_bundle_that_could_not_even_be_taken_back_is_adopted(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with EvidenceFolder(root) as folder:
        folder.add(files(0), call="standup", state="alert")
        with monkeypatch.context() as broken:

            def refuse(*_: object) -> None:
                raise OSError(errno.EROFS, "Read-only file system")

            broken.setattr(EvidenceFolder, "_append", refuse)
            broken.setattr(folder_module.shutil, "rmtree", lambda *_, **__: None)
            with pytest.raises(EvidenceError):
                folder.add(files(1), call="standup", state="alert")
        assert folder.add(files(2), call="standup", state="alert").name == "000003-alert"
    checked = check_path(root)
    assert checked.good
    assert len(checked.bundles) == 3


def test_what_is_old_is_deleted_and_the_chain_says_so(root: Path) -> None:
    clock = Clock()
    with EvidenceFolder(root, clock=clock) as folder:
        old = folder.add(files(0, call="monday"), call="monday", state="alert")
        clock.time_s += 20 * DAY_S
        contents = {path.name: path.read_bytes() for path in old.iterdir()}
        young = folder.add(files(1), call="standup", state="alert")
        assert folder.expire(30 * DAY_S) == 0
        clock.time_s += 11 * DAY_S
        assert folder.expire(30 * DAY_S) == 1
        assert folder.expire(30 * DAY_S) == 0
        assert not old.parent.exists()
        assert young.exists()
        assert folder.add(files(2), call="standup", state="alert").name == "000004-alert"
    checked = check_path(root)
    assert checked.good
    assert checked.chain is not None
    assert checked.chain.expired == {1}
    assert b"monday" not in (root / CHAIN_NAME).read_bytes()
    old.mkdir(parents=True)
    for name, content in contents.items():
        (old / name).write_bytes(content)
    assert said(root) == "monday/000001-alert was deleted as too old, and is there all the same"


def test_a_deletion_that_the_chain_does_not_tell_of_is_missing(root: Path) -> None:
    places = filled(root, 1)
    tombstone = (
        b'{"at":"2026-01-01T00:00:00.000+00:00","expired":1,"kind":"expired","manifest":"' + b"0" * 64 + b'",'
        b'"n":2,"previous":"' + check_path(root).chain.head.encode() + b'","v":1}\n'
    )
    remove(places[0])
    with (root / CHAIN_NAME).open("ab") as chain:
        chain.write(tombstone)
    assert "deletes a bundle that is not in the chain" in said(root)
