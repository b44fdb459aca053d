"""The paper family: windows, encoders, losses, and a run of it."""

from __future__ import annotations

import dataclasses
import importlib.util
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the training extra")
pytest.importorskip("safetensors", reason="needs the training extra")
transformers = pytest.importorskip("transformers", reason="needs the paper extra")

from torch import nn

from tests.support.prepared_clips import prepared_clip
from tests.support.training_clips import assert_same
from training import paper_validation
from training.config import PaperConfig, TrainConfig, WindowShape, load_config
from training.data.prepared_clip import PreparedClip
from training.data.worker import fingerprint
from training.device import Placement
from training.errors import TrainingError
from training.loop import Progress, TrainingRun
from training.losses import cross_modal_loss, intra_modal_loss
from training.models.iresnet import IResNet
from training.models.paper_audio import VoiceWindowEncoder, Whisper, load_whisper
from training.models.paper_visual import FaceWindowEncoder
from training.paper_objectives import PaperCross, PaperIntra
from training.paper_sampling import WindowSampler, spaced, window_starts
from training.pool import Pool, mel_of, voice_of
from training.tasks import Task, cross_task, intra_task

PLACE = Placement(device=torch.device("cpu"), precision="fp32")
SHAPE = WindowShape(length_ticks=25, hop_ticks=25)
BLOCKS = (1, 2, 1, 1)


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def whisper_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(5)
    sizes = {"d_model": 16, "vocab_size": 32, "max_source_positions": 60, "init_std": 0.3}
    for part in ("encoder", "decoder"):
        sizes |= {f"{part}_layers": 1, f"{part}_attention_heads": 2, f"{part}_ffn_dim": 32}
    tokens = dict.fromkeys(("pad_token_id", "bos_token_id", "eos_token_id", "decoder_start_token_id"), 1)
    folder = tmp_path_factory.mktemp("whisper")
    transformers.WhisperModel(transformers.WhisperConfig(**sizes, **tokens)).save_pretrained(folder)
    transformers.WhisperFeatureExtractor(feature_size=80).save_pretrained(folder)
    return folder


@pytest.fixture
def whisper(whisper_folder: Path) -> Whisper:
    return load_whisper(str(whisper_folder))


@pytest.fixture
def config(whisper_folder: Path) -> TrainConfig:
    optimisation = {"steps": 6, "learning_rate": 2e-3, "validate_every": 3, "warmup": 0.4}
    return TrainConfig.model_validate(
        {
            "family": "paper",
            "windows": SHAPE.model_dump(),
            "cross": {"optimisation": optimisation, "loss": {"kind": "paper", "temperature": 0.1}},
            "intra": {"optimisation": optimisation, "temperature": 0.1},
            "paper": {
                "face_blocks": BLOCKS,
                "face_width": 4,
                "face_dimension": 32,
                "layers": 1,
                "heads": 2,
                "whisper": str(whisper_folder),
                "dimension": 24,
                "identities": 3,
                "windows": 3,
            },
        }
    )


def paper_of(config: TrainConfig) -> PaperConfig:
    assert config.paper is not None
    return config.paper


def with_faces(clip: PreparedClip) -> PreparedClip:
    """Give a clip a face every 5 ticks, of the person's colours, with the tick in its corner.

    The mouth becomes lighter and the voice higher as time goes on.
    """
    rng = np.random.default_rng([ord(letter) for letter in clip.clip.speaker])
    person = np.kron(rng.integers(40, 200, (7, 7, 3)), np.ones((16, 16, 1), np.int64))
    ticks = np.arange(0, clip.ticks, 5, dtype=np.int32)
    faces = np.repeat(person[None], len(ticks), axis=0).astype(np.uint8)
    faces[:, 64:96, 32:80] = (2 * ticks).astype(np.uint8)[:, None, None, None]
    faces[:, 0, 0, 0] = ticks
    height_hz = np.linspace(200, 2000, len(clip.audio))
    tone = 8000 * np.sin(2 * np.pi * np.cumsum(height_hz) / 16_000)
    audio = (clip.audio // 4 + tone).astype(np.int16)
    return dataclasses.replace(clip, audio=audio, faces=faces, face_ticks=ticks)


def clips(count: int = 8, people: int = 4, **options: Any) -> list[PreparedClip]:
    return [with_faces(prepared_clip(i, speaker=f"person {i % people}", **options)) for i in range(count)]


def sampler(config: TrainConfig, found: list[PreparedClip], whisper: Whisper | None) -> WindowSampler:
    return WindowSampler(Pool.of(found), config.windows, paper_of(config), whisper=whisper, seed=3)


def test_missing_transformers_and_missing_whisper_are_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(TrainingError, match="no Whisper checkpoint"):
        load_whisper(str(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(TrainingError, match=r"need transformers.*pip install 'seamwatch\[paper\]'"):
        load_whisper(str(tmp_path))


def test_a_voice_is_what_a_whisper_of_that_length_makes_of_it(whisper: Whisper, whisper_folder: Path) -> None:
    torch.manual_seed(2)
    encoder = VoiceWindowEncoder(whisper, ticks=25, dimension=24).eval()
    reference = transformers.WhisperModel.from_pretrained(whisper_folder).get_encoder().eval()
    voice = torch.randn(2, 3, 80, 100)
    result = encoder(voice)
    assert result.shape == (2, 3, 24)
    x = nn.functional.gelu(reference.conv1(voice[1, 2][None]))
    x = nn.functional.gelu(reference.conv2(x)).transpose(1, 2) + reference.embed_positions.weight[:50]
    x = reference.layer_norm(reference.layers[0](x, None)).mean(1)
    expected = nn.functional.normalize(encoder.leave(x)[0], dim=0)
    assert torch.allclose(result[1, 2], expected, atol=1e-5)


def test_whisper_refuses_windows_longer_than_its_own(whisper: Whisper) -> None:
    with pytest.raises(TrainingError, match="no window of 31 ticks"):
        VoiceWindowEncoder(whisper, ticks=31, dimension=24)


def test_log_mel_of_a_window_is_that_of_the_whole_recording(whisper: Whisper) -> None:
    clip = prepared_clip(1)
    whole = whisper.log_mel(voice_of(clip, 10, 60)[None], 1)[0]
    part = whisper.log_mel(voice_of(clip, 20, 25)[None], 1)[0]
    assert part.shape == (80, 100)
    assert np.allclose(part, whole[:, 40:140], atol=1e-4)
    assert np.corrcoef(part.mean(0), mel_of(voice_of(clip, 20, 25)).mean(1))[0, 1] > 0.9


def window_encoder() -> FaceWindowEncoder:
    torch.manual_seed(4)
    backbone = IResNet(BLOCKS, 4, 32)
    encoder = FaceWindowEncoder(backbone, width=32, ticks=25, layers=1, heads=2, dimension=24)
    nn.init.normal_(encoder.place.weight)
    return encoder.eval()


def test_filler_and_the_order_of_rows_do_not_matter_but_time_does() -> None:
    encoder = window_encoder()
    light = torch.randint(0, 256, (2, 3, 4, 1, 1, 3), dtype=torch.uint8)
    faces = light.expand(2, 3, 4, 112, 112, 3)
    ticks = torch.tensor([0, 5, 10, 15]).expand(2, 3, 4).clone()
    result = encoder(faces, ticks)
    assert result.shape == (2, 3, 24)
    assert torch.allclose(result.norm(dim=2), torch.ones(2, 3), atol=1e-5)
    more = torch.randint(0, 256, (2, 3, 2, 112, 112, 3), dtype=torch.uint8)
    padded = encoder(torch.cat([faces, more], 2), torch.cat([ticks, torch.full((2, 3, 2), -1)], 2))
    assert torch.allclose(padded, result, atol=1e-5)
    order = [2, 0, 3, 1]
    assert torch.allclose(encoder(faces[:, :, order], ticks[:, :, order]), result, atol=1e-5)
    assert (encoder(faces[:, :, order], ticks) - result).abs().max() > 1e-3


def test_batches_are_windows_of_one_video_each_of_distinct_people(
    config: TrainConfig, whisper: Whisper
) -> None:
    found = clips(12)
    videos = {clip.faces[0, 1:60].tobytes() + clip.audio[:99].tobytes(): clip for clip in found}
    assert len(videos) == 12
    source, again = sampler(config, found, whisper), sampler(config, found, whisper)
    for step in range(4):
        batch = source.batch(step)
        assert {name: part.shape[:2] for name, part in batch.items()} == dict.fromkeys(
            ("faces", "ticks", "voice"), (3, 3)
        )
        assert batch["faces"].dtype == torch.uint8
        assert batch["voice"].shape[2:] == (80, 100)
        assert all(torch.equal(part, again.batch(step)[name]) for name, part in batch.items())
        people = set()
        for faces, ticks, voice in zip(batch["faces"], batch["ticks"], batch["voice"], strict=True):
            shown = ticks >= 0
            starts = [
                int(frames[0, 0, 0, 0]) - int(place[0]) for frames, place in zip(faces, ticks, strict=True)
            ]
            assert all(later - earlier >= 25 for earlier, later in pairwise(starts))
            for start, frames, place, seen in zip(starts, faces, ticks, shown, strict=True):
                assert torch.equal(frames[seen][:, 0, 0, 0].int() - place[seen], torch.full((5,), start))
            of_these = [
                clip
                for clip in found
                if np.allclose(whisper.log_mel(voice_of(clip, starts[0], 25)[None], 1)[0], voice[0].numpy())
            ]
            assert len(of_these) == 1
            assert np.array_equal(
                of_these[0].faces[of_these[0].face_ticks >= starts[0]][:5], faces[0][shown[0]]
            )
            people.add(of_these[0].clip.speaker)
        assert len(people) == 3
    assert not torch.equal(source.batch(0)["faces"], source.batch(1)["faces"])


def test_what_a_window_needs() -> None:
    clip = with_faces(prepared_clip(1, ticks=60))
    assert window_starts(clip, 25, 0.5).tolist() == list(range(1, 35))
    assert window_starts(clip, 25, None).tolist() == list(range(36))
    suspect = with_faces(prepared_clip(1, ticks=60, quality="sync_suspect"))
    assert len(window_starts(suspect, 25, 0.5)) == 0
    assert len(window_starts(suspect, 25, None)) == 36
    track = clip.track.copy()
    track[30:] = 1
    cut = dataclasses.replace(clip, track=track)
    assert window_starts(cut, 25, None).tolist() == [*range(6), *range(30, 36)]
    late = clip.face_ticks >= 50
    dark = dataclasses.replace(clip, faces=clip.faces[late], face_ticks=clip.face_ticks[late])
    assert window_starts(dark, 25, None).tolist() == list(range(26, 36))
    assert len(window_starts(with_faces(prepared_clip(1, ticks=20)), 25, None)) == 0


def test_spaced_starts_are_a_hop_apart() -> None:
    assert spaced(np.array([3, 4, 9, 12, 13, 30, 33]), 9) == [3, 12, 30]
    assert spaced(np.array([], np.int64), 9) == []


def test_clips_without_faces_are_refused(config: TrainConfig) -> None:
    bare = [prepared_clip(i, speaker=f"person {i}") for i in range(4)]
    with pytest.raises(TrainingError, match="prepare --faces"):
        sampler(config, bare, None)
    with pytest.raises(TrainingError, match="0 people"):
        sampler(config, clips(4, ticks=60), None)


def tasks(config: TrainConfig) -> list[Task]:
    assert config.cross is not None
    assert config.intra is not None
    pools = Pool.of(clips()), Pool.of(clips(4, 2))
    return [cross_task(config, config.cross, *pools), intra_task(config, config.intra, *pools)]


def test_losses_are_those_of_the_paper_and_reach_every_layer(config: TrainConfig) -> None:
    cross, intra = tasks(config)
    assert isinstance(cross.objective, PaperCross)
    assert isinstance(intra.objective, PaperIntra)
    batch = cross.batch(0)
    visual = cross.objective.visual(batch["faces"], batch["ticks"])
    expected = cross_modal_loss(visual, cross.objective.audio(batch["voice"]), 0.1)
    assert torch.allclose(cross.objective(**batch)["loss"], expected)
    batch = intra.batch(0)
    identity = intra.objective.identity(batch["faces"], batch["ticks"])
    assert identity.shape == (3, 3, 24)
    assert torch.allclose(intra.objective(**batch)["loss"], intra_modal_loss(identity, 0.1))
    for task in (cross, intra):
        task.objective(**task.batch(0))["loss"].backward()
        still = {n for n, p in task.objective.named_parameters() if p.grad is None}
        constants = ("features.weight", "embed_positions.weight")
        assert all(name.endswith(constants) for name in still)
        assert len(still) == (2 if task is cross else 1)


def run(task: Task, folder: Path, *, stop_after: int | None = None, resume: bool = False) -> list[float]:
    """Train on one and the same batch; the losses."""
    fixed = task.batch(0)
    values = {name: getattr(task, name) for name in Task.__slots__}
    losses: list[float] = []

    def note(state: Progress) -> None:
        losses.append(state.loss)

    same = Task(**{**values, "batch": lambda _step: fixed})
    TrainingRun(same, {"seed": 1}, folder, PLACE, resume=resume).run(note, stop_after=stop_after)
    return losses


@pytest.mark.parametrize("which", [0, 1], ids=["cross", "intra"])
def test_a_run_learns_and_a_resumed_one_is_the_uninterrupted_one(
    config: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, which: int
) -> None:
    monkeypatch.setattr(paper_validation, "BATCHES", 1)
    small = paper_of(config).model_copy(update={"identities": 2, "windows": 2})
    config = config.model_copy(update={"paper": small})
    whole = run(tasks(config)[which], tmp_path / "whole")
    assert np.isfinite(whole).all()
    assert whole[-1] < 0.9 * whole[0]
    first = run(tasks(config)[which], tmp_path / "parts", stop_after=2)
    assert len(first) == 2
    torch.rand(3)
    rest = run(tasks(config)[which], tmp_path / "parts", resume=True)
    assert first + rest == whole
    one, two = (torch.load(tmp_path / name / "run.pt", weights_only=True) for name in ("whole", "parts"))
    assert all(torch.equal(tensor, two["objective"][name]) for name, tensor in one["objective"].items())
    assert one["position"] == two["position"]


def test_validation_tells_people_and_voices_apart(config: TrainConfig) -> None:
    cross, intra = tasks(config)
    figures = cross.validate(torch.device("cpu"))
    assert set(figures) == {"auc", "auc_swapped", "auc_shifted"}
    assert all(0 <= figure <= 1 for figure in figures.values())

    class Colour(nn.Module):
        def forward(self, faces: torch.Tensor, ticks: torch.Tensor) -> torch.Tensor:
            colour = faces[..., 0, :7, :7, :].float().mean((3, 4)) - 120
            return nn.functional.normalize(colour, dim=2)

    intra.objective.identity = Colour()
    assert intra.validate(torch.device("cpu"))["auc"] > 0.99


def test_faces_survive_a_shard_and_count_in_the_digest() -> None:
    clip = with_faces(prepared_clip(1))
    files = {name.split(".", 1)[1]: content for name, content in clip.members("x").items()}
    assert_same(PreparedClip.from_members(files), clip)
    bare = prepared_clip(1)
    assert not any("face" in name for name in bare.members("x"))
    assert bare.faces.shape == (0, 112, 112, 3)
    assert Pool.of([clip]).digest != Pool.of([bare]).digest
    with pytest.raises(ValueError, match="faces"):
        dataclasses.replace(clip, face_ticks=clip.face_ticks[1:])


def test_clips_prepared_without_faces_are_another_state(tmp_path: Path) -> None:
    path = tmp_path / "1.mp4"
    path.write_bytes(b"1")
    clip = dataclasses.replace(prepared_clip(1).clip, path=path)
    assert fingerprint(clip) == fingerprint(clip, faces=False) != fingerprint(clip, faces=True)


def test_the_shipped_configuration_is_valid() -> None:
    shipped = load_config("paper")
    assert shipped.family == "paper"
    assert paper_of(shipped).face_blocks == (3, 13, 30, 3)
    assert shipped.cross is not None
    assert shipped.cross.loss.kind == "paper"
    assert shipped.intra is not None


@pytest.mark.parametrize(
    ("section", "values", "complaint"),
    [
        ("cross", {"loss": {"kind": "frames"}}, "kind = 'paper'"),
        ("cross", {"sampling": {"segments": 4}}, "without effect in the family paper: sampling"),
        ("cross", {"loss": {"kind": "paper", "guard_ticks": 3}}, "guard_ticks"),
        ("intra", {"windows": 4}, "windows"),
        ("paper", {"heads": 3}, "multiple of heads"),
        ("paper", {"windows": 1}, "greater than or equal to 2"),
    ],
)
def test_settings_without_effect_are_refused(
    config: TrainConfig, section: str, values: dict[str, Any], complaint: str
) -> None:
    table = config.model_dump(exclude_unset=True)
    table[section] = {**table[section], **values}
    with pytest.raises(ValueError, match=complaint):
        TrainConfig.model_validate(table)
