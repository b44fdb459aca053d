"""What is known about streamed files."""

from __future__ import annotations

import json

import pytest

from bench.load.truth import Truth, media_files, truth_of
from realtime.errors import MediaError


def test_the_truth_beside_a_file_counts_more_than_the_table(tmp_path):
    (tmp_path / "manifest.csv").write_text("file,label\na.mp4,real\nb.mp4,real\n")
    (tmp_path / "a.json").write_text(json.dumps({"label": "fake", "kind": "face_swapped", "from_s": 4.5}))
    assert truth_of(tmp_path / "a.mp4") == Truth(label="fake", kind="face_swapped", from_s=4.5)
    assert truth_of(tmp_path / "b.mp4") == Truth(label="real")


def test_a_table_without_times_means_the_whole_file(tmp_path):
    (tmp_path / "manifest.csv").write_text("file,label,kind\na.mp4,fake,talking head\n")
    assert truth_of(tmp_path / "a.mp4") == Truth(label="fake", kind="talking head", from_s=0.0)


def test_nothing_is_known_of_a_file_that_nobody_speaks_of(tmp_path):
    assert truth_of(tmp_path / "a.mp4") == Truth()
    (tmp_path / "manifest.csv").write_text("file,label\nb.mp4,real\n")
    assert truth_of(tmp_path / "a.mp4") == Truth()


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"label": "maybe"}', '{"kind": "x"}', '{"label":"fake","from_s":"x"}']
)
def test_a_damaged_truth_is_no_truth(tmp_path, text):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(MediaError, match="truth"):
        truth_of(tmp_path / "a.mp4")


def test_folders_stand_for_the_media_in_them(tmp_path):
    for name in ("b.mp4", "a.webm", "a.json", "manifest.csv"):
        (tmp_path / name).touch()
    assert [path.name for path in media_files([tmp_path, tmp_path / "b.mp4"])] == ["a.webm", "b.mp4", "b.mp4"]
    with pytest.raises(MediaError, match="no media"):
        media_files([])
