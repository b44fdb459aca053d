from __future__ import annotations

from pathlib import Path

import pytest

from training.data.clip import Clip
from training.data.errors import DatasetError
from training.data.layouts import LAYOUTS, layout_of, read_clips
from training.data.manifest import REQUIRED_COLUMNS
from training.data.splits import clips_by_split

FAKEAVCELEB_HEADER = "source,target1,target2,method,category,type,race,gender,path,"


def touch(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def by_name(clips: list[Clip]) -> dict[str, Clip]:
    found = {clip.name: clip for clip in clips}
    assert len(found) == len(clips)
    return found


def voxceleb2(root: Path) -> Path:
    return touch(
        root,
        "dev/mp4/id00012/21Uxsk56VDQ/00001.mp4",
        "dev/mp4/id00012/21Uxsk56VDQ/00002.mp4",
        "dev/mp4/id00015/0fijmz4vTVU/00001.mp4",
        "dev/aac/id00012/21Uxsk56VDQ/00001.m4a",
        "dev/aac/id00015/0fijmz4vTVU/00001.wav",
        "dev/txt/id00012/21Uxsk56VDQ/00001.txt",
        "test/mp4/id00017/5MkXgwdrmJw/00001.mp4",
        "test/aac/id00017/5MkXgwdrmJw/00001.m4a",
    )


def fakeavceleb(root: Path, *rows: str) -> Path:
    rows = rows or (
        "id00076,-,-,real,A,RealVideo-RealAudio,African,men,00109.mp4,"
        "FakeAVCeleb/RealVideo-RealAudio/African/men/id00076",
        "id00076,id01036,-,faceswap-wav2lip,D,FakeVideo-FakeAudio,African,men,00109_id01036_w.mp4,"
        "FakeAVCeleb/FakeVideo-FakeAudio/African/men/id00076",
        "id00076,id01036,-,wav2lip,D,FakeVideo-FakeAudio,African,men,00109_id01036_w.mp4,"
        "FakeAVCeleb/FakeVideo-FakeAudio/African/men/id00076",
    )
    touch(root, "RealVideo-RealAudio/African/men/id00076/00109.mp4")
    (root / "meta_data.csv").write_text("\n".join([FAKEAVCELEB_HEADER, *rows]) + "\n")
    return root


def kodf(root: Path) -> Path:
    return touch(
        root,
        "original_videos/p01/a.mp4",
        "original_videos/p02/x/b.mp4",
        "synthesized_videos/dffs/p01/c.mp4",
        "synthesized_videos/audio-driven/p03/d.MP4",
        "synthesized_videos/audio-driven/notes.txt",
    )


def grid(root: Path) -> Path:
    return touch(
        root,
        "s1/bbaf2n.mpg",
        "s1/lgazzs.mpg",
        "s10/video/mpg_6000/pwij3p.mpg",
        "s10/video/mpg_vcd/pwij3p.mpg",
        "s1/align/bbaf2n.align",
        "alignments/bbaf3s.mpg",
        "s2/holiday.mpg",
    )


def lrs3(root: Path) -> Path:
    return touch(
        root,
        "pretrain/0Fi83BHQsMA/00001.mp4",
        "trainval/0Fi83BHQsMA/50001.mp4",
        "trainval/-abcDEF_123/50001.mp4",
        "test/0akiEFwtkyA/00001.mp4",
        "test/0akiEFwtkyA/00001.txt",
    )


def plain_folder(root: Path) -> Path:
    return touch(
        root, "anna/1.mp4", "anna/more/2.MKV", "bert/1.webm", "loose.avi", "anna/notes.txt", ".x/1.mp4"
    )


def manifest(root: Path) -> Path:
    cells = {"file": "1.mp4", "label": "real", "speaker": "anna"}
    row = ",".join(cells.get(column, "") for column in REQUIRED_COLUMNS)
    (root / "manifest.csv").write_text(f"{','.join(REQUIRED_COLUMNS)}\n{row}\n")
    return root


MAKERS = {
    "manifest": manifest,
    "fakeavceleb": fakeavceleb,
    "kodf": kodf,
    "voxceleb2": voxceleb2,
    "lrs3": lrs3,
    "grid": grid,
    "folder": plain_folder,
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout_is_found_out(tmp_path: Path, name: str) -> None:
    root = MAKERS[name](tmp_path)
    assert layout_of(root) == name
    assert read_clips(root) == read_clips(root, name)


@pytest.mark.parametrize("name", LAYOUTS)
def test_names_lead_to_the_files_and_do_not_depend_on_the_place(tmp_path: Path, name: str) -> None:
    roots = [tmp_path / "here" / "set", tmp_path / "there" / "set"]
    found = []
    for root in roots:
        root.mkdir(parents=True)
        clips = read_clips(MAKERS[name](root))
        assert all(clip.path == root / clip.name for clip in clips)
        found.append([clip.to_json() for clip in clips])
    assert found[0] == found[1]


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_can_be_split(tmp_path: Path, name: str) -> None:
    clips = read_clips(MAKERS[name](tmp_path))
    parts = clips_by_split(clips)
    assert sum(map(len, parts.values())) == sum(clip.is_real for clip in clips)


def test_voxceleb2_has_its_sound_in_other_files(tmp_path: Path) -> None:
    clips = by_name(read_clips(voxceleb2(tmp_path)))
    assert {name: clip.audio_path for name, clip in clips.items()} == {
        "dev/mp4/id00012/21Uxsk56VDQ/00001.mp4": tmp_path / "dev/aac/id00012/21Uxsk56VDQ/00001.m4a",
        "dev/mp4/id00012/21Uxsk56VDQ/00002.mp4": None,
        "dev/mp4/id00015/0fijmz4vTVU/00001.mp4": tmp_path / "dev/aac/id00015/0fijmz4vTVU/00001.wav",
        "test/mp4/id00017/5MkXgwdrmJw/00001.mp4": tmp_path / "test/aac/id00017/5MkXgwdrmJw/00001.m4a",
    }
    clip = clips["dev/mp4/id00012/21Uxsk56VDQ/00001.mp4"]
    assert (clip.corpus, clip.speaker) == ("VoxCeleb2", "VoxCeleb2/id00012")
    assert clip.source == clips["dev/mp4/id00012/21Uxsk56VDQ/00002.mp4"].source
    assert len({clip.speaker for clip in clips.values()}) == 3


def test_one_part_of_voxceleb2_is_enough(tmp_path: Path) -> None:
    root = voxceleb2(tmp_path) / "test"
    assert layout_of(root) == "voxceleb2"
    (clip,) = read_clips(root)
    assert clip.audio_path == root / "aac/id00017/5MkXgwdrmJw/00001.m4a"


def test_fakeavceleb_follows_its_table(tmp_path: Path) -> None:
    real, fake = read_clips(fakeavceleb(tmp_path))
    assert real.path.is_file()
    assert (real.label, real.kind, real.generator) == ("real", "real", "")
    assert (fake.label, fake.kind) == ("fake", "FakeVideo-FakeAudio")
    assert fake.generator == "faceswap-wav2lip"
    assert fake.name == "FakeVideo-FakeAudio/African/men/id00076/00109_id01036_w.mp4"
    assert real.speaker == fake.speaker == "VoxCeleb2/id00076"


def test_fakeavceleb_without_folders_in_its_table(tmp_path: Path) -> None:
    fakeavceleb(tmp_path, "id00076,-,-,real,A,RealVideo-RealAudio,African,men,00109.mp4,")
    (clip,) = read_clips(tmp_path)
    assert clip.path.is_file()


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("id1,-,-,real,A,Video,African,men,1.mp4,", r"meta_data\.csv, line 2: unknown type 'Video'"),
        ("id1,-,-,real,A,RealVideo-RealAudio,..,men,1.mp4,", "line 2: the file lies outside"),
        ("id1,-,-,real,A,RealVideo-RealAudio,African,men,../1.mp4,", "line 2: the file lies outside"),
        ("id1,-,-,real,A,RealVideo-RealAudio,/etc,men,1.mp4,", "line 2: the file lies outside"),
        ("id1,-,-,real,A,RealVideo-RealAudio,African,men,,", "line 2: the row names no file"),
        ("id1,-,-,real", "line 2: unknown type ''"),
    ],
)
def test_a_wrong_row_of_fakeavceleb_is_named(tmp_path: Path, row: str, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        read_clips(fakeavceleb(tmp_path, row))


def test_a_table_of_fakeavceleb_without_columns_is_named(tmp_path: Path) -> None:
    fakeavceleb(tmp_path)
    (tmp_path / "meta_data.csv").write_text("source,path\n")
    with pytest.raises(DatasetError, match="lacks method, type, race, gender"):
        read_clips(tmp_path)


def test_kodf_has_real_clips_and_fakes(tmp_path: Path) -> None:
    clips = by_name(read_clips(kodf(tmp_path)))
    assert {name: (clip.label, clip.kind, clip.generator, clip.speaker) for name, clip in clips.items()} == {
        "original_videos/p01/a.mp4": ("real", "real", "", "KoDF/p01"),
        "original_videos/p02/x/b.mp4": ("real", "real", "", "KoDF/p02"),
        "synthesized_videos/dffs/p01/c.mp4": ("fake", "dffs", "dffs", "KoDF/p01"),
        "synthesized_videos/audio-driven/p03/d.MP4": ("fake", "audio-driven", "audio-driven", "KoDF/p03"),
    }


def test_grid_takes_a_sentence_once(tmp_path: Path) -> None:
    clips = by_name(read_clips(grid(tmp_path)))
    assert {name: clip.speaker for name, clip in clips.items()} == {
        "s1/bbaf2n.mpg": "GRID/s1",
        "s1/lgazzs.mpg": "GRID/s1",
        "s10/video/mpg_vcd/pwij3p.mpg": "GRID/s10",
    }


def test_folders_named_like_grid_speakers_are_not_grid(tmp_path: Path) -> None:
    assert layout_of(touch(tmp_path, "s1/1.mp4", "s2/hello.mp4")) == "folder"


def test_a_talk_of_lrs3_is_one_speaker_in_all_sets(tmp_path: Path) -> None:
    clips = by_name(read_clips(lrs3(tmp_path)))
    talk = "LRS3-TED/0Fi83BHQsMA"
    assert clips["pretrain/0Fi83BHQsMA/00001.mp4"].speaker == talk
    assert clips["trainval/0Fi83BHQsMA/50001.mp4"].speaker == talk
    assert len(clips) == 4
    assert len({clip.speaker for clip in clips.values()}) == 3


def test_the_first_folder_is_the_speaker(tmp_path: Path) -> None:
    root = tmp_path / "set"
    clips = by_name(read_clips(plain_folder(root)))
    assert {name: clip.speaker for name, clip in clips.items()} == {
        "anna/1.mp4": "set/anna",
        "anna/more/2.MKV": "set/anna",
        "bert/1.webm": "set/bert",
        "loose.avi": "set",
    }


@pytest.mark.parametrize("name", [name for name in LAYOUTS if name not in ("manifest", "fakeavceleb")])
def test_a_folder_without_clips_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DatasetError, match=f"holds no clips in the layout {name}"):
        read_clips(tmp_path, name)


@pytest.mark.parametrize("name", ["manifest", "fakeavceleb"])
def test_a_folder_without_a_table_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DatasetError, match="cannot be read"):
        read_clips(tmp_path, name)


def test_a_path_must_exist_and_be_a_folder_where_the_layout_needs_one(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="does not exist"):
        read_clips(tmp_path / "nothing")
    touch(tmp_path, "clip.mp4")
    with pytest.raises(DatasetError, match="is not a folder"):
        read_clips(tmp_path / "clip.mp4", "grid")
