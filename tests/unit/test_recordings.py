"""Genuine recordings by person, from tables and folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from clients.recordings import Recording, genuine_recordings
from realtime.errors import CalibrationError


def table(path: Path, *rows: str, header: str = "file,label,speaker,quality") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def files(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def found(*sources: Path) -> list[tuple[str, str]]:
    return [(each.person, each.path.name) for each in genuine_recordings(sources)]


def test_a_table_says_who_is_in_which_file(tmp_path: Path) -> None:
    listed = table(
        tmp_path / "clips.csv",
        "b/2.mp4,real,bert,",
        "b/1.mp4,real,bert,good",
        "a/1.mp4,real,anna,",
        "a/2.mp4,fake,anna,",
        "a/3.mp4,Real,anna,",
    )
    assert genuine_recordings([listed]) == [
        Recording(path=tmp_path / "a/1.mp4", person="anna", material="a/1.mp4"),
        Recording(path=tmp_path / "b/1.mp4", person="bert", material="b/1.mp4"),
        Recording(path=tmp_path / "b/2.mp4", person="bert", material="b/2.mp4"),
    ]


def test_encodings_of_one_recording_have_their_material_in_common(tmp_path: Path) -> None:
    listed = table(
        tmp_path / "t.csv",
        "hq.mp4,real,anna,one.mov",
        "lq.mp4,real,anna,one.mov",
        "other.mp4,real,anna,",
        header="file,label,speaker,sources",
    )
    materials = {each.path.name: each.material for each in genuine_recordings([listed])}
    assert materials == {"hq.mp4": "one.mov", "lq.mp4": "one.mov", "other.mp4": "other.mp4"}


def test_what_is_known_to_be_out_of_sync_is_left_out(tmp_path: Path) -> None:
    listed = table(
        tmp_path / "clips.csv",
        "1.mp4,real,anna,sync_suspect",
        "2.mp4,real,anna,noisy;sync_suspect;dark",
        "3.mp4,real,anna,noisy;dark",
        "4.mp4,real,anna,not_sync_suspect",
    )
    assert found(listed) == [("anna", "3.mp4"), ("anna", "4.mp4")]


def test_a_table_needs_no_quality(tmp_path: Path) -> None:
    listed = table(tmp_path / "t.csv", "1.mp4,real,anna", header="file,label,speaker")
    assert found(listed) == [("anna", "1.mp4")]


def test_a_folder_with_a_table_is_read_by_its_table(tmp_path: Path) -> None:
    table(tmp_path / "manifest.csv", "x/1.mp4,real,anna,")
    files(tmp_path, "bert/1.mp4")
    assert found(tmp_path) == [("anna", "1.mp4")]


def test_a_folder_holds_one_folder_a_person(tmp_path: Path) -> None:
    files(tmp_path, "bert/2.MKV", "anna/1.mp4", "anna/day/2.webm", "anna/notes.txt", "loose.mp4")
    people = genuine_recordings([tmp_path])
    assert [each.path.relative_to(tmp_path).as_posix() for each in people] == [
        "anna/1.mp4",
        "anna/day/2.webm",
        "bert/2.MKV",
    ]
    assert len({each.person for each in people}) == 2
    assert people[0].person == people[1].person
    assert len({each.material for each in people}) == 3


def test_people_of_the_same_name_in_two_folders_are_two(tmp_path: Path) -> None:
    files(tmp_path, "one/anna/1.mp4", "two/anna/1.mp4")
    assert len({each.person for each in genuine_recordings([tmp_path / "one", tmp_path / "two"])}) == 2


def test_sources_add_up_in_an_order_of_their_own(tmp_path: Path) -> None:
    files(tmp_path, "one/zoe/1.mp4", "two/anna/1.mp4")
    one, two = tmp_path / "one", tmp_path / "two"
    assert genuine_recordings([one, two]) == genuine_recordings([two, one])


@pytest.mark.parametrize("name", ["none", "none.csv", "notes.txt"])
def test_what_is_neither_a_table_nor_a_folder_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(CalibrationError, match="neither a folder nor a table") as refusal:
        genuine_recordings([tmp_path / name])
    assert refusal.value.fix


@pytest.mark.parametrize("missing", ["file", "label", "speaker"])
def test_a_missing_column_is_named(tmp_path: Path, missing: str) -> None:
    header = ",".join(name for name in ("file", "label", "speaker") if name != missing)
    with pytest.raises(CalibrationError, match=f"lacks the column {missing}"):
        genuine_recordings([table(tmp_path / "t.csv", "a,b", header=header)])


def test_an_empty_table_lacks_its_columns(tmp_path: Path) -> None:
    (tmp_path / "t.csv").touch()
    with pytest.raises(CalibrationError, match="lacks the column file"):
        genuine_recordings([tmp_path / "t.csv"])


def test_a_row_that_breaks_off_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match="line 3"):
        genuine_recordings([table(tmp_path / "t.csv", "1.mp4,real,anna,", "2.mp4,real")])


def test_a_row_without_a_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match="line 2"):
        genuine_recordings([table(tmp_path / "t.csv", "1.mp4,real,,")])


@pytest.mark.parametrize("content", [b"file,label,speaker\n\xff\xfe,real,anna\n", b"\x00\x01\x02"])
def test_a_table_that_is_no_text_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(CalibrationError):
        genuine_recordings([tmp_path / "t.csv"])


def test_nothing_genuine_is_a_fault(tmp_path: Path) -> None:
    files(tmp_path, "loose.mp4")
    with pytest.raises(CalibrationError, match="no genuine recording"):
        genuine_recordings([tmp_path])
    with pytest.raises(CalibrationError, match="no genuine recording"):
        genuine_recordings([table(tmp_path / "t.csv", "1.mp4,fake,anna,")])
