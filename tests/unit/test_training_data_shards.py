from __future__ import annotations

import tarfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.training_clips import assert_same, clip_record, noise_clip
from training.data.clip import Clip
from training.data.errors import DatasetError
from training.data.listing import LISTING_NAME, add_to_listing, read_listing
from training.data.prepared_clip import PreparedClip
from training.data.shards import (
    Entry,
    ShardIndex,
    fingerprint_of,
    read_shards,
    tar_bytes,
    verify_shards,
    write_shard,
)

ODD_NAMES = (
    "a/1.mp4",
    "a/1.avi",
    "b/with spaces.v2.mp4",
    "b/Ünïcödé 顔.mp4",
    "b/\udcff.mp4",
    "c/" + "x" * 300,
)


def folder_of(folder: Path, *shards: list[PreparedClip]) -> Path:
    folder.mkdir(exist_ok=True)
    index = ShardIndex()
    for number, clips in enumerate(shards):
        parts = []
        for clip in clips:
            parts.append(folder / f"{clip.key}.tar")
            parts[-1].write_bytes(tar_bytes(clip.members(f"state {number}")))
        name = index.next_name()
        index.shards[name] = write_shard(folder / name, parts)
        for clip, part in zip(clips, parts, strict=True):
            index.clips[clip.key] = Entry(shard=name, fingerprint=f"state {number}")
            part.unlink()
    index.write(folder)
    return folder


def test_clips_come_back_as_they_were(tmp_path: Path) -> None:
    clips = [noise_clip(clip_record(name), ticks=5 + i, seed=i) for i, name in enumerate(ODD_NAMES)]
    found = list(read_shards(folder_of(tmp_path / "out", clips[:4], clips[4:])))
    verify_shards(tmp_path / "out")
    assert len(found) == len(clips)
    for left, right in zip(clips, found, strict=True):
        assert_same(left, right)
        assert right.lips.dtype == np.float32
        assert right.audio.dtype == np.int16


def test_a_clip_without_identity_comes_back(tmp_path: Path) -> None:
    clip = noise_clip(clip_record(), ticks=1)
    (found,) = read_shards(folder_of(tmp_path / "out", [clip]))
    assert found.identity.shape == (0, 128)


def test_the_newest_state_of_a_clip_counts(tmp_path: Path) -> None:
    old, new = (noise_clip(clip_record("a/1.mp4"), seed=seed) for seed in (1, 2))
    other = noise_clip(clip_record("a/2.mp4"))
    found = list(read_shards(folder_of(tmp_path / "out", [old, other], [new])))
    assert_same(found[0], other)
    assert_same(found[1], new)
    assert len(found) == 2


def test_a_shard_of_old_states_alone_is_removed(tmp_path: Path) -> None:
    old, new = (noise_clip(clip_record("a/1.mp4"), seed=seed) for seed in (1, 2))
    folder = folder_of(tmp_path / "out", [old], [new])
    assert [path.name for path in sorted(folder.glob("*.tar"))] == ["shard-000001.tar"]


def test_the_same_clips_give_the_same_bytes(tmp_path: Path) -> None:
    clips = [noise_clip(clip_record(name)) for name in ("a/1.mp4", "b/2.mp4")]
    one, two = (folder_of(tmp_path / name, clips) for name in ("one", "two"))
    for path in one.iterdir():
        assert path.read_bytes() == (two / path.name).read_bytes()


def test_a_reader_of_tar_files_finds_groups_of_members(tmp_path: Path) -> None:
    clip = noise_clip(clip_record())
    folder = folder_of(tmp_path / "out", [clip])
    with tarfile.open(folder / "shard-000000.tar") as archive:
        names = archive.getnames()
    assert {name.split(".", 1)[0] for name in names} == {clip.key}
    assert names[0] == f"{clip.key}.json"
    assert f"{clip.key}.lips.npy" in names


@settings(max_examples=30)
@given(st.floats(0, 1), st.binary(min_size=1, max_size=200))
def test_damage_is_found(tmp_path_factory: pytest.TempPathFactory, place: float, damage: bytes) -> None:
    folder = folder_of(tmp_path_factory.mktemp("damage"), [noise_clip(clip_record(), ticks=3)])
    shard = folder / "shard-000000.tar"
    content = bytearray(shard.read_bytes())
    start = int(place * (len(content) - len(damage)))
    if content[start : start + len(damage)] == damage:
        damage = bytes(byte ^ 0xFF for byte in damage)
    content[start : start + len(damage)] = damage
    shard.write_bytes(content)
    with pytest.raises(DatasetError, match="another SHA-256"):
        verify_shards(folder)


@settings(max_examples=30)
@given(st.floats(0, 0.9))
def test_a_shard_that_breaks_off_is_refused(tmp_path_factory: pytest.TempPathFactory, kept: float) -> None:
    clips = [noise_clip(clip_record(f"a/{i}.mp4"), ticks=3) for i in range(3)]
    folder = folder_of(tmp_path_factory.mktemp("short"), clips)
    shard = folder / "shard-000000.tar"
    content = shard.read_bytes()
    shard.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(DatasetError, match=r"shard-000000\.tar (is damaged|lacks)"):
        list(read_shards(folder))


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "out", [noise_clip(clip_record())])
    (folder / "shard-000000.tar").unlink()
    with pytest.raises(DatasetError, match=r"shard-000000\.tar is damaged or missing"):
        list(read_shards(folder))
    with pytest.raises(DatasetError, match=r"shard-000000\.tar cannot be read"):
        verify_shards(folder)


def test_a_shard_with_another_index_is_refused(tmp_path: Path) -> None:
    one = folder_of(tmp_path / "one", [noise_clip(clip_record("a/1.mp4"))])
    two = folder_of(tmp_path / "two", [noise_clip(clip_record("a/2.mp4"))])
    (one / "shard-000000.tar").replace(two / "shard-000000.tar")
    with pytest.raises(DatasetError, match="lacks 1 clips"):
        list(read_shards(two))


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "{}", '{"format": 1, "shards": 3, "clips": {}}', '{"format": 1, "shards": {}}']
)
def test_a_damaged_index_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "index.json").write_text(content)
    with pytest.raises(DatasetError, match="is damaged"):
        ShardIndex.read(tmp_path)


def test_an_index_of_another_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "index.json").write_text('{"format": 99}')
    with pytest.raises(DatasetError, match="another format"):
        ShardIndex.read(tmp_path)
    with pytest.raises(DatasetError, match="holds no prepared clips"):
        ShardIndex.read(tmp_path / "nothing")


@pytest.mark.parametrize("content", [b"", b"no archive", b"\0" * 10240])
def test_a_part_that_is_no_archive_has_no_fingerprint(tmp_path: Path, content: bytes) -> None:
    part = tmp_path / "part.tar"
    assert fingerprint_of(part) is None
    part.write_bytes(content)
    assert fingerprint_of(part) is None


def test_features_of_the_wrong_length_are_refused() -> None:
    clip = noise_clip(clip_record(), ticks=4)
    files = {name.split(".", 1)[1]: content for name, content in clip.members("x").items()}
    other = noise_clip(clip_record(), ticks=5)
    wrong = {name.split(".", 1)[1]: content for name, content in other.members("x").items()}
    with pytest.raises(ValueError, match=r"audio of a/1\.mp4 has shape"):
        PreparedClip.from_members(files | {"audio.npy": wrong["audio.npy"]})


def test_the_list_keeps_all_clips_and_the_newest_record(tmp_path: Path) -> None:
    clips = [clip_record(name) for name in ODD_NAMES]
    add_to_listing(tmp_path, clips[:4])
    changed = clip_record(ODD_NAMES[0], speaker="somebody else")
    add_to_listing(tmp_path, [*clips[4:], changed])
    listed = {clip.name: clip.to_json() for clip in read_listing(tmp_path)}
    assert listed == {clip.name: clip.to_json() for clip in [*clips, changed]}


def test_the_list_does_not_depend_on_the_order(tmp_path: Path) -> None:
    clips: list[Clip] = [clip_record(name) for name in ODD_NAMES]
    add_to_listing(tmp_path / "one", clips)
    add_to_listing(tmp_path / "two", clips[::-1])
    one, two = ((tmp_path / name / LISTING_NAME).read_bytes() for name in ("one", "two"))
    assert one == two


@pytest.mark.parametrize("content", [b"{", b"{}\n", b'{"name": "x"}\n', b"\xff\n", b"3\n"])
def test_a_damaged_list_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(DatasetError, match="lacks the list"):
        read_listing(tmp_path)
    (tmp_path / LISTING_NAME).write_bytes(content)
    with pytest.raises(DatasetError, match="is damaged"):
        read_listing(tmp_path)
