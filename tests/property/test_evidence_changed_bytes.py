"""Whatever is changed in a bundle, verification finds it and names the file."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.errors import EvidenceError
from realtime.evidence.bundle import bundle_files
from realtime.evidence.folder import EvidenceFolder
from realtime.evidence.reading import check_path, pack
from realtime.evidence.record import ARRAYS_NAME, CHAIN_NAME, MANIFEST_NAME, RECORD_NAME, TRACE_NAME
from tests.support.evidence_bundles import Stream, item_of, provenance_for

NAMES = (RECORD_NAME, ARRAYS_NAME, TRACE_NAME, MANIFEST_NAME)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Path]]:
    root = tmp_path_factory.mktemp("evidence") / "kept"
    with EvidenceFolder(root, clock=lambda: 1_772_000_000.0) as folder:
        places = [
            folder.add(
                bundle_files(item_of(Stream(seed=seed)), provenance_for()), call="standup", state="alert"
            )
            for seed in range(3)
        ]
    assert check_path(root).good
    return root, places


@settings(max_examples=120)
@given(
    number=st.integers(0, 2),
    name=st.sampled_from(NAMES),
    position=st.floats(0, 1, exclude_max=True),
    flip=st.integers(1, 255),
)
def test_any_changed_byte_is_found(
    kept: tuple[Path, list[Path]], number: int, name: str, position: float, flip: int
) -> None:
    root, places = kept
    path = places[number] / name
    before = path.read_bytes()
    changed = bytearray(before)
    changed[int(position * len(before))] ^= flip
    path.write_bytes(changed)
    try:
        checked = check_path(root)
    finally:
        path.write_bytes(before)
    assert not checked.good
    named = [finding.file for finding in checked.findings()]
    assert any(file.endswith(name) for file in named), named
    untouched = [bundle for bundle in checked.bundles if not bundle.name.endswith(places[number].name)]
    assert len(untouched) == 2
    assert not any(bundle.findings for bundle in untouched)


@settings(max_examples=60)
@given(position=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
def test_any_changed_byte_of_the_chain_is_found(
    kept: tuple[Path, list[Path]], position: float, flip: int
) -> None:
    root, _ = kept
    path = root / CHAIN_NAME
    before = path.read_bytes()
    changed = bytearray(before)
    changed[int(position * len(before))] ^= flip
    path.write_bytes(changed)
    try:
        checked = check_path(root)
    finally:
        path.write_bytes(before)
    assert not checked.good
    assert checked.chain_findings


@settings(max_examples=30)
@given(name=st.sampled_from(NAMES), length=st.floats(0, 1, exclude_max=True), extra=st.binary(min_size=1))
def test_a_file_that_was_cut_or_lengthened_is_found(
    kept: tuple[Path, list[Path]], name: str, length: float, extra: bytes
) -> None:
    root, places = kept
    path = places[1] / name
    before = path.read_bytes()
    try:
        for content in (before[: int(length * len(before))], before + extra):
            path.write_bytes(content)
            assert not check_path(root).good
    finally:
        path.write_bytes(before)


@settings(max_examples=40)
@given(position=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
def test_a_packed_bundle_is_checked_as_it_is(
    kept: tuple[Path, list[Path]], tmp_path_factory: pytest.TempPathFactory, position: float, flip: int
) -> None:
    """A changed byte of content is found or the archive refused; what belongs to the archive may differ."""
    _, places = kept
    path = tmp_path_factory.mktemp("packed") / "bundle.zip"
    pack(places[1], path)
    assert check_path(path).good
    before = path.read_bytes()
    changed = bytearray(before)
    changed[int(position * len(before))] ^= flip
    path.write_bytes(changed)
    try:
        good = check_path(path).good
    except EvidenceError:
        good = False
    if good:
        with zipfile.ZipFile(path) as archive:
            for name in NAMES:
                content = archive.read(f"{places[1].name}/{name}")
                assert content == (places[1] / name).read_bytes()
    shutil.rmtree(path.parent)
