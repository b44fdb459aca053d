from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from training.data.errors import DatasetError
from training.data.manifest import REQUIRED_COLUMNS, read_manifest
from training.data.splits import split_of
from training.evaluate.datasets import DATASETS, FAKEAVCELEB_KINDS, fakeavceleb, kodf, manifest, tamper


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def fakeavceleb_folder(root: Path, rows: list[tuple[str, str, str, str]]) -> Path:
    """Rows are source, method, type and file name."""
    lines = ["source,target1,target2,method,category,type,race,gender,path,"]
    for source, method, type_name, file in rows:
        folder = f"FakeAVCeleb/{type_name}/African/men/{source}"
        lines.append(f"{source},-,-,{method},X,{type_name},African,men,{file},{folder}")
        touch(root / type_name / "African" / "men" / source / file)
    (root / "meta_data.csv").write_text("\n".join(lines) + "\n")
    return root


def test_fakeavceleb_has_the_papers_categories(tmp_path: Path) -> None:
    rows = [("id0", "real", "RealVideo-RealAudio", "0.mp4")]
    rows += [
        (f"id{index}", method, type_name, f"{index}.mp4")
        for index, (type_name, method) in enumerate(FAKEAVCELEB_KINDS, start=1)
    ]
    dataset = fakeavceleb(fakeavceleb_folder(tmp_path, rows))
    kinds = {clip.kind: clip for clip in dataset.clips}
    assert set(kinds) == {
        "real", "RVFA", "FVRA-WL", "FVRA-FS", "FVRA-GAN", "FVFA-FS", "FVFA-GAN", "FVFA-WL",
    }  # fmt: skip
    assert [clip.kind for clip in dataset.clips if not clip.is_fake] == ["real"]
    assert kinds["FVFA-GAN"].generator == "fsgan-wav2lip"
    assert kinds["FVFA-GAN"].path.is_file()
    assert kinds["RVFA"].speaker != kinds["real"].speaker
    assert dataset.means == {"AVG-FV": ("FVRA-WL", "FVFA-FS", "FVFA-GAN", "FVFA-WL")}


def test_fakeavceleb_says_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="cannot be read"):
        fakeavceleb(tmp_path)
    root = fakeavceleb_folder(tmp_path, [("id1", "magic", "FakeVideo-FakeAudio", "a.mp4")])
    with pytest.raises(DatasetError, match="magic"):
        fakeavceleb(root)
    root = fakeavceleb_folder(tmp_path, [("id1", "real", "RealVideo-RealAudio", "a.mp4")])
    with pytest.raises(DatasetError, match="no test split"):
        fakeavceleb(root, "test")
    (root / "RealVideo-RealAudio" / "African" / "men" / "id1" / "a.mp4").unlink()
    with pytest.raises(DatasetError, match="1 of 1 files"):
        fakeavceleb(root)


def test_kodf_reads_both_folders(tmp_path: Path) -> None:
    touch(tmp_path / "original_videos" / "p01" / "a.mp4")
    touch(tmp_path / "original_videos" / "p02" / "b.mp4")
    touch(tmp_path / "synthesized_videos" / "dffs" / "p01" / "c.mp4")
    touch(tmp_path / "synthesized_videos" / "fo" / "p03" / "d.MP4")
    touch(tmp_path / "synthesized_videos" / "fo" / "notes.txt")
    dataset = kodf(tmp_path)
    assert [(clip.kind, clip.speaker, clip.is_fake) for clip in dataset.clips] == [
        ("real", "KoDF/p01", False),
        ("real", "KoDF/p02", False),
        ("dffs", "KoDF/p01", True),
        ("fo", "KoDF/p03", True),
    ]
    assert dataset.draws == (276, 544)


def test_kodf_needs_both_classes(tmp_path: Path) -> None:
    touch(tmp_path / "original_videos" / "p01" / "a.mp4")
    with pytest.raises(DatasetError, match="synthesized_videos holds no videos"):
        kodf(tmp_path)


def manifest_folder(root: Path, speakers: int = 12) -> Path:
    root.mkdir(exist_ok=True)
    lines = [",".join((*REQUIRED_COLUMNS, "note", "derived"))]

    def add(file: str, label: str, kind: str, speaker: str, seconds: float, quality: str = "good") -> None:
        generator = "" if label == "real" else "Gen"
        lines.append(
            f"{file},{label},{kind},{generator},{speaker},{seconds},25,64,64,{quality},repo,{file},MIT,Corpus,,"
        )

    for speaker in range(speakers):
        add(f"w{speaker}.mp4", "real", "real", f"s{speaker}", 1.2)
        add(f"l{speaker}.mp4", "real", "real", f"s{speaker}", 4.0)
    add("late.mp4", "real", "real", "s0", 4.0, "sync_suspect")
    for speaker in range(speakers):
        add(f"f{speaker}.mp4", "fake", "face swap", f"s{speaker}", 4.0)
    add("other.mp4", "fake", "lip-sync", "fakeid_1", 1.5)
    (root / "manifest.csv").write_text("\n".join(lines) + "\n")
    return root


def test_manifest_takes_the_genuine_clips_of_one_split_and_all_fakes(tmp_path: Path) -> None:
    root = manifest_folder(tmp_path)
    split = split_of(read_manifest(root / "manifest.csv"))
    dataset = manifest(root)
    genuine = [clip for clip in dataset.clips if not clip.is_fake]
    assert {clip.speaker for clip in genuine} == {name for name in split if split[name] == "test"}
    assert {clip.speaker for clip in dataset.reference} == {
        name for name in split if split[name] == "validation"
    }
    fakes = [clip for clip in dataset.clips if clip.is_fake]
    assert Counter(clip.kind for clip in fakes) == {"face swap": 12, "lip-sync": 1}
    assert {clip.path.name: clip.condition for clip in dataset.clips}["other.mp4"] == "word"
    assert Counter(clip.condition for clip in genuine) == {
        "word": len(genuine) // 2,
        "sentence": len(genuine) // 2,
    }
    trained = [name for name in split if split[name] == "train"]
    assert {clip.speaker for clip in fakes if clip.trained_on_speaker} == set(trained)
    assert f"{len(trained)} of 13 fakes show" in " ".join(dataset.notes)


def test_manifest_leaves_untrusted_synchrony_out(tmp_path: Path) -> None:
    dataset = manifest(manifest_folder(tmp_path), "all")
    assert "late.mp4" not in {clip.path.name for clip in dataset.clips}
    assert len([clip for clip in dataset.clips if not clip.is_fake]) == 24
    assert dataset.reference == ()
    assert dataset.notes[0] == "1 genuine clips with untrusted synchrony were left out."


def test_the_validation_split_is_not_its_own_reference(tmp_path: Path) -> None:
    assert manifest(manifest_folder(tmp_path), "validation").reference == ()


TAMPER_HEADER = "file,label,kind,from_s,to_s,compression,speaker,group,split"


def tamper_folder(root: Path, header: str = TAMPER_HEADER) -> Path:
    rows = [
        "a.mp4,real,genuine,,,lq,s1,sentence,test",
        "b.mp4,fake,voice swapped,0,4,lq,s1,sentence,test",
        "c.mp4,fake,voice swapped,2,4,clean,s2,call,validation",
        "d.mp4,real,genuine,,,clean,s2,call,validation",
    ]
    for row in rows:
        touch(root / row.split(",")[0])
    (root / "manifest.csv").write_text("\n".join([header, *rows]) + "\n")
    return root


def test_tamper_compares_within_group_and_compression(tmp_path: Path) -> None:
    dataset = tamper(tamper_folder(tmp_path))
    assert [(clip.kind, clip.is_fake, clip.condition, clip.speaker) for clip in dataset.clips] == [
        ("real", False, "sentence, lq", "s1"),
        ("voice swapped", True, "sentence, lq", "s1"),
        ("voice swapped", True, "call, clean", "s2"),
        ("real", False, "call, clean", "s2"),
    ]
    assert dataset.reference == ()


def test_tamper_by_split(tmp_path: Path) -> None:
    dataset = tamper(tamper_folder(tmp_path), "test")
    assert [clip.path.name for clip in dataset.clips] == ["a.mp4", "b.mp4"]
    assert [clip.path.name for clip in dataset.reference] == ["d.mp4"]
    assert [clip.path.name for clip in tamper(tmp_path, "validation").clips] == ["c.mp4", "d.mp4"]
    with pytest.raises(DatasetError, match="No clip"):
        tamper(tmp_path, "train")
    without = tamper_folder(tmp_path, TAMPER_HEADER.replace("group,split", "folder,part"))
    with pytest.raises(DatasetError, match="columns group, split"):
        tamper(without)


def test_tamper_refuses_another_label(tmp_path: Path) -> None:
    table = tamper_folder(tmp_path) / "manifest.csv"
    table.write_text(table.read_text().replace("a.mp4,real", "a.mp4,perhaps"))
    with pytest.raises(DatasetError, match=r"line 2.*perhaps"):
        tamper(tmp_path)


def test_tamper_refuses_a_torn_row(tmp_path: Path) -> None:
    root = tamper_folder(tmp_path)
    table = root / "manifest.csv"
    table.write_text(table.read_text() + "e.mp4,genuine\n")
    with pytest.raises(DatasetError, match="line 6"):
        tamper(root)


def test_every_dataset_of_the_command_is_known() -> None:
    assert set(DATASETS) == {"fakeavceleb", "kodf", "manifest", "tamper"}
