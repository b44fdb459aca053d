"""A similarity matrix as an inline picture with times on its axes and its seams marked."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from clients.report.markup import data_uri
from clients.wording import clock, number
from realtime.types import Float32, Modality, Seam, SimilarityMatrix

SIDE = 360
LEFT, TOP = 54, 8
BAR_TOP = TOP + SIDE + 44
BAR_HEIGHT = 10
AXIS_LABELS = 5
SMALLEST_MARK = 10
MOST_CELLS = 512


def _png_uri(pixels: npt.NDArray[np.uint8]) -> str:
    encoded, png = cv2.imencode(".png", pixels)
    if not encoded:
        raise RuntimeError("a matrix could not be encoded as PNG")
    return data_uri("png", png.tobytes())


def colours(values: Float32, low: float, high: float) -> npt.NDArray[np.uint8]:
    """Return the pixels of a matrix in the perceptually uniform map viridis.

    Args:
        values: float32, shape (rows, columns); NaN for a cell without a value.
        low: Value of the darkest colour.
        high: Value of the brightest colour.

    Returns:
        uint8 BGRA, shape (rows, columns, 4); cells without a value are transparent.
    """
    present = np.isfinite(values)
    scaled = np.clip((np.where(present, values, low) - low) / (high - low), 0.0, 1.0)
    bgr = cv2.applyColorMap(np.round(scaled * 255).astype(np.uint8), cv2.COLORMAP_VIRIDIS)
    alpha = np.where(present, 255, 0).astype(np.uint8)
    return np.dstack([bgr, alpha]).astype(np.uint8)


def thinned(values: Float32) -> Float32:
    """Return a large matrix averaged down to ``MOST_CELLS`` a side; a smaller one as it is.

    A cell without a value does not count; where none of the averaged cells has a value, the result has none.
    """
    if values.shape[0] <= MOST_CELLS:
        return values
    present = np.isfinite(values)
    size = (MOST_CELLS, MOST_CELLS)
    filled = np.where(present, values, 0).astype(np.float32)
    total = cv2.resize(filled, size, interpolation=cv2.INTER_AREA)
    weight = cv2.resize(present.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    mean = np.full(size, np.nan, dtype=np.float32)
    np.divide(total, weight, out=mean, where=weight > 1e-6)
    return mean


def _axes(matrix: SimilarityMatrix, cell: float) -> list[str]:
    count = len(matrix.spans)
    elements = []
    for index in sorted({round(k * (count - 1) / (AXIS_LABELS - 1)) for k in range(AXIS_LABELS)}):
        label = clock(matrix.spans[index].start_ns / 1e9)
        middle = (index + 0.5) * cell
        elements.append(
            f'<text x="{LEFT - 8}" y="{TOP + middle + 4:.1f}" text-anchor="end">{label}</text>'
            f'<text x="{LEFT + middle:.1f}" y="{TOP + SIDE + 18}" text-anchor="middle">{label}</text>'
        )
    return elements


def seam_cell(matrix: SimilarityMatrix, seam: Seam) -> tuple[int, int] | None:
    """Return row and column of a seam; None where its windows are not in the matrix.

    Lips and voice are compared at a lag, and lie on the diagonal all the same.
    """
    rows = {span.start_ns: row for row, span in enumerate(matrix.spans)}
    row = rows.get(seam.a.start_ns)
    column = rows.get(seam.b.start_ns) if seam.kind is Modality.INTRA else row
    return None if row is None or column is None else (row, column)


def _mark(row: int, column: int, cell: float, number_of: int, *, guided: bool) -> str:
    side = max(cell, SMALLEST_MARK)
    middle_x, middle_y = LEFT + (column + 0.5) * cell, TOP + (row + 0.5) * cell
    x = min(max(middle_x - side / 2, LEFT), LEFT + SIDE - side)
    y = min(max(middle_y - side / 2, TOP), TOP + SIDE - side)
    box = f'x="{x:.1f}" y="{y:.1f}" width="{side:.1f}" height="{side:.1f}" rx="2"'
    right = x + side + 14 <= LEFT + SIDE
    label_x, anchor = (x + side + 4, "start") if right else (x - 4, "end")
    guides = (
        f'<line class="guide" x1="{LEFT}" x2="{x:.1f}" y1="{middle_y:.1f}" y2="{middle_y:.1f}"/>'
        f'<line class="guide" x1="{middle_x:.1f}" x2="{middle_x:.1f}" y1="{y + side:.1f}" y2="{TOP + SIDE}"/>'
    )
    return (
        f"{guides if guided else ''}"
        f'<rect class="mark-under" {box}/><rect class="mark" {box}/>'
        f'<text class="mark-number" x="{label_x:.1f}" y="{y + side / 2 + 4:.1f}" '
        f'text-anchor="{anchor}">{number_of}</text>'
    )


def _marks(matrix: SimilarityMatrix, seams: Sequence[tuple[int, Seam]], cell: float) -> str:
    """Mark the seams, the worst one last so that nothing lies over it."""
    cells = [(number_of, seam_cell(matrix, seam)) for number_of, seam in seams]
    marks = [
        _mark(*place, cell, number_of, guided=index == 0)
        for index, (number_of, place) in enumerate(cells)
        if place is not None
    ]
    return "".join(reversed(marks))


def _colour_bar(low: float, high: float) -> str:
    ramp = np.linspace(low, high, 128, dtype=np.float32)[np.newaxis, :]
    y = BAR_TOP + BAR_HEIGHT + 14
    return (
        f'<image href="{_png_uri(colours(ramp, low, high))}" x="{LEFT}" y="{BAR_TOP}" width="{SIDE}" '
        f'height="{BAR_HEIGHT}" preserveAspectRatio="none"/>'
        f'<text x="{LEFT}" y="{y}">{number(low, 1)} unlike</text>'
        f'<text x="{LEFT + SIDE}" y="{y}" text-anchor="end">alike {number(high, 1)}</text>'
    )


def heatmap_svg(
    matrix: SimilarityMatrix, seams: Sequence[tuple[int, Seam]] = (), *, label: str, low: float, high: float
) -> str:
    """Return a matrix as an SVG element; a sentence where it is empty.

    Args:
        matrix: The matrix and its windows.
        seams: What is marked in it, with the number of each, worst first.
        label: What it shows, as plain text for readers that do not see it; it must need no escaping.
        low: Value of the darkest colour.
        high: Value of the brightest colour.
    """
    count = len(matrix.spans)
    if count == 0 or not np.isfinite(matrix.values).any():
        return '<p class="muted">There was nothing to compare.</p>'
    cell = SIDE / count
    picture = _png_uri(colours(thinned(matrix.values), low, high))
    return (
        f'<svg viewBox="0 0 {LEFT + SIDE + 26} {BAR_TOP + BAR_HEIGHT + 20}" role="img" aria-label="{label}">'
        f'<rect class="nothing" x="{LEFT}" y="{TOP}" width="{SIDE}" height="{SIDE}"/>'
        f'<image class="pixels" href="{picture}" x="{LEFT}" y="{TOP}" '
        f'width="{SIDE}" height="{SIDE}" preserveAspectRatio="none"/>'
        f"{''.join(_axes(matrix, cell))}{_marks(matrix, seams, cell)}{_colour_bar(low, high)}</svg>"
    )
