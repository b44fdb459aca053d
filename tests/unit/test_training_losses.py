from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch", reason="needs the training extra")

from training.config import CrossLoss
from training.losses import (
    cross_modal_loss,
    frame_contrast_loss,
    intra_modal_loss,
    window_similarities,
)
from training.models.temporal import unit_norm
from training.objectives import cross_loss

TAU = 0.2


def embeddings(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return unit_norm(torch.randn(*shape, generator=generator, dtype=torch.float64))


def dot(a: torch.Tensor, b: torch.Tensor) -> float:
    return sum(float(x) * float(y) for x, y in zip(a, b, strict=True))


def printed_intra(mu: torch.Tensor, tau: float) -> float:
    n, windows, _ = mu.shape
    total = 0.0
    for t in range(windows):
        for q in range(windows):
            for i in range(n):
                above = math.exp(dot(mu[i, t], mu[i, q]) / tau)
                below = sum(math.exp(dot(mu[i, t], mu[j, q]) / tau) for j in range(n))
                total += math.log(above / below)
    return -total / (n * windows**2)


def printed_cross(gamma: torch.Tensor, alpha: torch.Tensor, tau: float) -> float:
    n, windows, _ = gamma.shape
    total = 0.0
    for i in range(n):
        for t in range(windows):
            above = math.exp(dot(gamma[i, t], alpha[i, t]) / tau)
            rows = sum(math.exp(dot(gamma[i, t], alpha[i, q]) / tau) for q in range(windows))
            columns = sum(math.exp(dot(gamma[i, q], alpha[i, t]) / tau) for q in range(windows))
            total += math.log(above / rows) + math.log(above / columns)
    return -total / (n * windows)


def naive_frames(gamma: torch.Tensor, alpha: torch.Tensor, tau: float, window: int, guard: int) -> float:
    n, frames, _ = gamma.shape
    count = frames - window + 1

    def similarity(i: int, t: int, j: int, q: int) -> float:
        return sum(dot(gamma[i, t + k], alpha[j, q + k]) for k in range(window)) / window

    total = 0.0
    for i in range(n):
        for t in range(count):
            above = math.exp(similarity(i, t, i, t) / tau)
            answers = [
                (j, q) for j in range(n) for q in range(count) if j != i or q == t or abs(q - t) >= guard
            ]
            rows = sum(math.exp(similarity(i, t, j, q) / tau) for j, q in answers)
            columns = sum(math.exp(similarity(j, q, i, t) / tau) for j, q in answers)
            total += math.log(above / rows) + math.log(above / columns)
    return -total / (n * count)


@pytest.mark.parametrize(("n", "windows"), [(1, 1), (2, 3), (4, 2), (3, 1)])
def test_intra_is_equation_2(n: int, windows: int) -> None:
    mu = embeddings(n, windows, 5)
    assert float(intra_modal_loss(mu, TAU)) == pytest.approx(printed_intra(mu, TAU), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize(("n", "windows"), [(1, 1), (2, 3), (1, 4), (3, 2)])
def test_cross_is_equation_3(n: int, windows: int) -> None:
    gamma, alpha = embeddings(n, windows, 5), embeddings(n, windows, 5, seed=1)
    expected = printed_cross(gamma, alpha, TAU)
    assert float(cross_modal_loss(gamma, alpha, TAU)) == pytest.approx(expected, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize(("window", "guard"), [(1, 1), (3, 2), (2, 4)])
def test_frame_contrast_is_its_definition(window: int, guard: int) -> None:
    gamma, alpha = embeddings(2, 7, 4), embeddings(2, 7, 4, seed=1)
    found = float(frame_contrast_loss(gamma, alpha, TAU, window=window, guard_ticks=guard))
    assert found == pytest.approx(naive_frames(gamma, alpha, TAU, window, guard), rel=1e-12)


def test_frame_contrast_of_one_segment_without_guard_is_equation_3() -> None:
    gamma, alpha = embeddings(1, 6, 4), embeddings(1, 6, 4, seed=1)
    found = frame_contrast_loss(gamma, alpha, TAU, window=1, guard_ticks=1)
    assert float(found) == pytest.approx(float(cross_modal_loss(gamma, alpha, TAU)), rel=1e-12)


def test_a_window_is_its_frames_side_by_side() -> None:
    gamma, alpha = embeddings(2, 6, 4), embeddings(3, 6, 4, seed=1)
    found = window_similarities(gamma, alpha, 4)
    lips = gamma.unfold(1, 4, 1).permute(0, 1, 3, 2).flatten(2) / 2.0
    voice = alpha.unfold(1, 4, 1).permute(0, 1, 3, 2).flatten(2) / 2.0
    assert torch.allclose(found, torch.einsum("itd,jqd->itjq", lips, voice), atol=1e-12)


def test_paper_loss_cuts_windows_that_follow_each_other() -> None:
    gamma, alpha = embeddings(2, 11, 4), embeddings(2, 11, 4, seed=1)
    config = CrossLoss(kind="paper", temperature=TAU, window_frames=5)
    lips = torch.stack([gamma[:, :5].flatten(1), gamma[:, 5:10].flatten(1)], dim=1) / math.sqrt(5)
    voice = torch.stack([alpha[:, :5].flatten(1), alpha[:, 5:10].flatten(1)], dim=1) / math.sqrt(5)
    expected = printed_cross(lips, voice, TAU)
    assert float(cross_loss(gamma, alpha, config)) == pytest.approx(expected, rel=1e-6)


def losses_of(raw_gamma: torch.Tensor, raw_alpha: torch.Tensor) -> list[torch.Tensor]:
    gamma, alpha = unit_norm(raw_gamma), unit_norm(raw_alpha)
    return [
        intra_modal_loss(gamma, TAU),
        cross_modal_loss(gamma, alpha, TAU),
        frame_contrast_loss(gamma, alpha, TAU, window=2, guard_ticks=2),
    ]


@pytest.mark.parametrize("which", [0, 1, 2])
def test_gradients_agree_with_finite_differences(which: int) -> None:
    generator = torch.Generator().manual_seed(5)
    raw = [torch.randn(2, 5, 3, generator=generator, dtype=torch.float64) for _ in range(2)]
    leaves = [tensor.clone().requires_grad_() for tensor in raw]
    gradients = torch.autograd.grad(losses_of(*leaves)[which], leaves, allow_unused=True)
    step = 1e-6
    for place, gradient in enumerate(gradients):
        if gradient is None:
            assert which == 0
            assert place == 1
            continue
        for index in range(raw[place].numel()):
            ends = []
            for sign in (1.0, -1.0):
                moved = [tensor.clone() for tensor in raw]
                moved[place].view(-1)[index] += sign * step
                ends.append(float(losses_of(*moved)[which]))
            slope = (ends[0] - ends[1]) / (2 * step)
            assert float(gradient.reshape(-1)[index]) == pytest.approx(slope, rel=1e-5, abs=1e-7)


def test_order_of_people_and_of_windows_does_not_matter() -> None:
    gamma, alpha = embeddings(4, 5, 3), embeddings(4, 5, 3, seed=1)
    people, windows = torch.tensor([2, 0, 3, 1]), torch.tensor([4, 1, 0, 2, 3])
    for change in (lambda x: x[people], lambda x: x[:, windows]):
        assert torch.isclose(intra_modal_loss(change(gamma), TAU), intra_modal_loss(gamma, TAU))
        assert torch.isclose(
            cross_modal_loss(change(gamma), change(alpha), TAU), cross_modal_loss(gamma, alpha, TAU)
        )
    kept = frame_contrast_loss(gamma, alpha, TAU, window=2, guard_ticks=2)
    moved = frame_contrast_loss(gamma[people], alpha[people], TAU, window=2, guard_ticks=2)
    assert torch.isclose(kept, moved)


def test_both_modalities_count_alike() -> None:
    gamma, alpha = embeddings(3, 6, 3), embeddings(3, 6, 3, seed=1)
    assert torch.isclose(cross_modal_loss(gamma, alpha, TAU), cross_modal_loss(alpha, gamma, TAU))


def test_guarded_neighbours_do_not_count() -> None:
    gamma = embeddings(1, 3, 3)
    assert float(frame_contrast_loss(gamma, gamma, TAU, window=1, guard_ticks=3)) == pytest.approx(0.0)
    assert float(frame_contrast_loss(gamma, gamma, TAU, window=1, guard_ticks=2)) > 0.0
