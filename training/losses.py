"""The paper's consistency losses, and the frame-level variant that the compact models are trained with."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy


def intra_modal_loss(identity: Tensor, temperature: float) -> Tensor:
    """Return the intra-modal consistency loss (paper, Eq. 2).

    For every pair of time windows (t, q), t = q included, and every identity i, the window q of i is to be
    found among the windows q of all N identities by its window t. The paper prints the factor 1 / (I x T^2)
    and sums over N identities; I is that number N.

    Args:
        identity: Float, shape (N, T, D): unit-norm mu_i(t) of N distinct identities.
        temperature: tau, positive.

    Returns:
        Float scalar, at least 0.
    """
    identities, windows, _ = identity.shape
    similarity = torch.einsum("itd,jqd->tqij", identity, identity) / temperature
    target = torch.arange(identities, device=identity.device).repeat(windows * windows)
    return cross_entropy(similarity.reshape(-1, identities), target)


def cross_modal_loss(visual: Tensor, audio: Tensor, temperature: float) -> Tensor:
    """Return the cross-modal consistency loss (paper, Eq. 3), lips to voice plus voice to lips.

    Every window of the lips is to be found among the lips' T windows of the same video by its voice window,
    and the other way round.

    Args:
        visual: Float, shape (N, T, D): unit-norm gamma_i(t).
        audio: Float, shape (N, T, D): unit-norm alpha_i(t).
        temperature: tau', positive.

    Returns:
        Float scalar, at least 0.
    """
    videos, windows, _ = visual.shape
    similarity = torch.einsum("itd,iqd->itq", visual, audio) / temperature
    target = torch.arange(windows, device=visual.device).repeat(videos)
    to_voice = cross_entropy(similarity.reshape(-1, windows), target)
    to_lips = cross_entropy(similarity.transpose(1, 2).reshape(-1, windows), target)
    return to_voice + to_lips


def window_similarities(visual: Tensor, audio: Tensor, length: int) -> Tensor:
    """Return the similarities of all windows of all segments, windows one frame apart.

    The embedding of a window is its frame embeddings side by side, divided by the root of their number.

    Args:
        visual: Float, shape (n, L, D): unit-norm frame embeddings.
        audio: Float, shape (m, L, D): unit-norm frame embeddings.
        length: Frames W of a window, at most L.

    Returns:
        Float, shape (n, L - W + 1, m, L - W + 1): mean cosine of lips window (i, t) and voice window (j, q).
    """
    frames = torch.einsum("itd,jqd->itjq", visual, audio)
    count = frames.shape[1] - length + 1
    total = frames[:, :count, :, :count]
    for offset in range(1, length):
        total = total + frames[:, offset : offset + count, :, offset : offset + count]
    return total / length


def frame_contrast_loss(
    visual: Tensor, audio: Tensor, temperature: float, *, window: int, guard_ticks: int
) -> Tensor:
    """Return a denser form of Eq. 3, both directions: a deviation from the paper for small data.

    It differs in three points: windows follow each other by one frame, so that a segment gives many of them;
    windows nearer than the guard are neither right nor wrong, because neighbours sound and look alike; and
    windows of the other segments of the batch are wrong answers too.

    Args:
        visual: Float, shape (n, L, D): unit-norm frame embeddings of n segments.
        audio: Float, shape (n, L, D): likewise.
        temperature: tau', positive.
        window: Frames W that are compared together.
        guard_ticks: Smallest distance in time of a wrong answer out of the same segment.

    Returns:
        Float scalar, at least 0.
    """
    similarity = window_similarities(visual, audio, window) / temperature
    segments, count = similarity.shape[:2]
    position = torch.arange(count, device=visual.device)
    distance = (position[:, None] - position[None, :]).abs()
    undecided = (distance > 0) & (distance < guard_ticks)
    same = torch.eye(segments, dtype=torch.bool, device=visual.device)
    ignored = same[:, None, :, None] & undecided[None, :, None, :]
    logits = similarity.masked_fill(ignored, -torch.inf).reshape(segments * count, segments * count)
    target = torch.arange(segments * count, device=visual.device)
    return cross_entropy(logits, target) + cross_entropy(logits.transpose(0, 1), target)
