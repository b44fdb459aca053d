from __future__ import annotations

import csv
from pathlib import Path

import pytest

from training.data.errors import DatasetError
from training.data.manifest import REQUIRED_COLUMNS, read_manifest

ROW = {
    "file": "clips/one.mp4",
    "label": "real",
    "kind": "real",
    "generator": "",
    "speaker": "anna",
    "duration_s": "3.5",
    "fps": "29.97",
    "width": "640",
    "height": "360",
    "quality": "profile;little_speech",
    "source_repository": "owner/project",
    "path_in_repository": "videos/one.mp4",
    "licence_repo": "MIT",
    "licence_corpus": "LRS2 (BBC, academic agreement only)",
}


def write(path: Path, *rows: dict[str, str]) -> Path:
    columns = list(rows[0]) if rows else list(REQUIRED_COLUMNS)
    with path.open("w", newline="", encoding="utf-8") as stream:
        table = csv.DictWriter(stream, columns)
        table.writeheader()
        table.writerows(rows)
    return path


def test_a_row_becomes_a_clip(tmp_path: Path) -> None:
    (clip,) = read_manifest(write(tmp_path / "manifest.csv", ROW))
    assert clip.path == tmp_path / "clips" / "one.mp4"
    assert clip.audio_path is None
    assert (clip.name, clip.speaker, clip.corpus) == ("clips/one.mp4", "anna", "LRS2")
    assert clip.source == "owner/project/videos/one.mp4"
    assert (clip.duration_s, clip.fps, clip.width, clip.height) == (3.5, 29.97, 640, 360)
    assert clip.is_real
    assert clip.sync_is_trusted
    assert (clip.licence_repository, clip.licence_corpus) == ("MIT", ROW["licence_corpus"])


def test_empty_cells_leave_open_what_they_may(tmp_path: Path) -> None:
    optional = ("kind", "generator", "duration_s", "fps", "width", "height", "quality", "source_repository")
    row = ROW | dict.fromkeys((*optional, "path_in_repository", "licence_corpus"), "")
    (clip,) = read_manifest(write(tmp_path / "t.csv", row))
    assert (clip.kind, clip.quality, clip.source) == ("real", "good", "clips/one.mp4")
    assert (clip.duration_s, clip.fps, clip.width, clip.height) == (None, None, None, None)
    assert clip.corpus


def test_optional_columns_and_a_byte_order_mark_are_understood(tmp_path: Path) -> None:
    row = ROW | {"note": "speaker matches existing spk_7", "derived": "", "corpus": "own"}
    table = write(tmp_path / "t.csv", row)
    table.write_bytes(b"\xef\xbb\xbf" + table.read_bytes())
    (clip,) = read_manifest(table)
    assert (clip.speaker, clip.corpus) == ("spk_7", "own")


def test_sync_suspect_is_seen_among_other_flags(tmp_path: Path) -> None:
    (clip,) = read_manifest(write(tmp_path / "t.csv", ROW | {"quality": "profile;sync_suspect"}))
    assert not clip.sync_is_trusted


@pytest.mark.parametrize("column", REQUIRED_COLUMNS)
def test_a_missing_column_is_named(tmp_path: Path, column: str) -> None:
    row = {name: value for name, value in ROW.items() if name != column}
    with pytest.raises(DatasetError, match=rf"lacks the column {column}\b"):
        read_manifest(write(tmp_path / "t.csv", row))


def test_unknown_and_repeated_columns_are_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="unknown or repeated columns: colour"):
        read_manifest(write(tmp_path / "t.csv", ROW | {"colour": "red"}))
    table = tmp_path / "twice.csv"
    table.write_text(",".join([*ROW, "file"]) + "\n")
    with pytest.raises(DatasetError, match="unknown or repeated columns: file"):
        read_manifest(table)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"label": "genuine"}, "line 2: the label 'genuine'"),
        ({"file": ""}, "line 2: the column file is empty"),
        ({"speaker": " "}, "line 2: the column speaker is empty"),
        ({"file": "/etc/passwd"}, "outside the manifest's folder"),
        ({"file": "../one.mp4"}, "outside the manifest's folder"),
        ({"duration_s": "long"}, "line 2: the duration_s 'long' is not a number"),
        ({"duration_s": "nan"}, "not a number"),
        ({"fps": "inf"}, "not a number"),
        ({"width": "-1"}, "the width '-1' is not a number >= 0"),
    ],
)
def test_a_wrong_value_is_named_with_its_line(tmp_path: Path, cells: dict[str, str], message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        read_manifest(write(tmp_path / "t.csv", ROW | cells))


def test_a_file_listed_twice_is_named(tmp_path: Path) -> None:
    rows = (ROW, ROW | {"file": "two.mp4"}, ROW | {"speaker": "bert"})
    with pytest.raises(DatasetError, match=r"lists clips/one\.mp4 twice"):
        read_manifest(write(tmp_path / "t.csv", *rows))


@pytest.mark.parametrize("line", ["one.mp4,real", ",".join(["x"] * 20)])
def test_a_row_of_another_length_is_named(tmp_path: Path, line: str) -> None:
    table = write(tmp_path / "t.csv", ROW)
    table.write_text(table.read_text() + line + "\n")
    with pytest.raises(DatasetError, match="line 3: the row has another number of cells"):
        read_manifest(table)


def test_what_is_no_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="cannot be read"):
        read_manifest(tmp_path / "missing.csv")
    with pytest.raises(DatasetError, match="lists no clips"):
        read_manifest(write(tmp_path / "none.csv"))
    (tmp_path / "empty.csv").touch()
    with pytest.raises(DatasetError, match="lacks the columns file, label"):
        read_manifest(tmp_path / "empty.csv")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00\x80" * 50)
    with pytest.raises(DatasetError, match="cannot be read"):
        read_manifest(tmp_path / "binary.csv")
