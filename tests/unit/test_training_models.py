from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the training extra")

from training.models.audio import AudioEncoder
from training.models.identity import IdentityAggregator
from training.models.temporal import CONTEXT_TICKS
from training.models.visual import LipEncoder, MouthEncoder, VisualEncoder
from training.objectives import count_parameters


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def inputs(segments: int, ticks: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    lips = torch.randn(segments, ticks, 40, 2) * 0.1
    mouth = torch.randint(0, 256, (segments, ticks, 64, 64), dtype=torch.uint8)
    return lips, mouth, torch.randn(segments, 2 * ticks, 384)


@pytest.mark.parametrize("ticks", [11, 25, 40])
def test_frames_in_are_frames_out_less_the_context(ticks: int) -> None:
    lips, mouth, speech = inputs(2, ticks)
    with torch.no_grad():
        seen, heard = VisualEncoder().eval()(lips, mouth), AudioEncoder().eval()(speech)
    for embedding in (seen, heard):
        assert embedding.shape == (2, ticks - 2 * CONTEXT_TICKS, 96)
        assert torch.allclose(embedding.norm(dim=2), torch.ones(embedding.shape[:2]), atol=1e-5)


def test_voice_and_mouth_do_not_know_where_in_the_input_they_are() -> None:
    _, mouth, speech = inputs(1, 30)
    audio, pictures = AudioEncoder().eval(), MouthEncoder().eval()
    with torch.no_grad():
        assert torch.allclose(audio(speech)[:, 3:13], audio(speech[:, 6:46]), atol=1e-5)
        whole, part = pictures(mouth.float()), pictures(mouth[:, 3:23].float())
        assert torch.allclose(whole[:, :, 3:13], part, atol=1e-4)


def test_an_embedding_sees_exactly_its_context() -> None:
    _, mouth, speech = inputs(1, 30)
    mouth, speech = mouth.double(), speech.double()
    audio, pictures = AudioEncoder().double().eval(), MouthEncoder().double().eval()
    changed_speech, changed_mouth = speech.clone(), mouth.clone()
    changed_speech[:, 30:32] += 3.0
    changed_mouth[:, 15] = 255 - changed_mouth[:, 15]
    with torch.no_grad():
        heard = (audio(speech) - audio(changed_speech)).abs().amax(dim=2)[0]
        seen = (pictures(mouth) - pictures(changed_mouth)).abs().amax(dim=1)[0]
    touched = list(range(15 - 2 * CONTEXT_TICKS, 16))
    for change in (heard, seen):
        assert [i for i, value in enumerate(change) if value > 1e-12] == touched


def test_lips_do_not_know_where_the_face_rests() -> None:
    lips, _, _ = inputs(1, 25)
    encoder = LipEncoder().eval()
    with torch.no_grad():
        assert torch.allclose(encoder(lips), encoder(lips + torch.randn(1, 1, 40, 2)), atol=1e-3)


def test_uint8_and_float_pictures_mean_the_same() -> None:
    lips, mouth, _ = inputs(1, 15)
    encoder = VisualEncoder().eval()
    with torch.no_grad():
        assert torch.equal(encoder(lips, mouth), encoder(lips, mouth.float()))


def test_segments_of_a_batch_do_not_touch_each_other() -> None:
    lips, mouth, speech = inputs(3, 15)
    visual, audio = VisualEncoder().eval(), AudioEncoder().eval()
    with torch.no_grad():
        assert torch.allclose(visual(lips, mouth)[1:2], visual(lips[1:2], mouth[1:2]), atol=1e-5)
        assert torch.allclose(audio(speech)[1:2], audio(speech[1:2]), atol=1e-5)


def test_compact_is_compact() -> None:
    assert count_parameters(LipEncoder()) < 350_000
    assert count_parameters(MouthEncoder()) < 300_000
    assert count_parameters(AudioEncoder()) < 600_000
    assert count_parameters(IdentityAggregator()) < 100_000


def test_identity_starts_as_the_direction_of_the_mean_and_ignores_filler() -> None:
    frames = torch.nn.functional.normalize(torch.randn(4, 3, 128), dim=2)
    weight = torch.tensor([[1.0, 1.0, 1.0], [1.0, 1.0, 0.0], [1.0, 0.0, 0.0], [1.0, 0.0, 1.0]])
    total = (frames * weight[..., None]).sum(dim=1)
    with torch.no_grad():
        found = IdentityAggregator()(frames, weight)
    assert torch.allclose(found, torch.nn.functional.normalize(total, dim=1), atol=1e-5)


def test_identity_can_learn() -> None:
    module = IdentityAggregator()
    frames = torch.nn.functional.normalize(torch.randn(2, 3, 128), dim=2)
    module(frames, torch.ones(2, 3))[0, 0].backward()
    assert module.narrow.weight.grad is not None
    assert float(module.narrow.weight.grad.abs().sum()) > 0
