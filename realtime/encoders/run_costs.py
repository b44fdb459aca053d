"""What a run of an engine is expected to cost, learnt from the runs before. Pure."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable

#: Shapes remembered; the live path has a handful.
MAX_KEYS = 32
#: Batch sizes remembered a shape.
MAX_SIZES = 64
#: A cost that falls is believed by this part a run, one that rises at once.
FALL = 4


class RunCosts:
    """Expected duration of a run by shape key and rows: the highest of late, slowly forgotten."""

    def __init__(self) -> None:
        self._costs: OrderedDict[Hashable, OrderedDict[int, int]] = OrderedDict()

    def observe(self, key: Hashable, rows: int, duration_ns: int) -> None:
        """Take the duration of a run."""
        sizes = self._costs.setdefault(key, OrderedDict())
        before_ns = sizes.get(rows, 0)
        sizes[rows] = max(duration_ns, before_ns - (before_ns - duration_ns) // FALL)
        sizes.move_to_end(rows)
        self._costs.move_to_end(key)
        if len(sizes) > MAX_SIZES:
            sizes.popitem(last=False)
        if len(self._costs) > MAX_KEYS:
            self._costs.popitem(last=False)

    def expected_ns(self, key: Hashable, rows: int) -> int:
        """Return the expected duration of a run; 0 for a shape that was never run.

        A size that was never run costs in proportion to the next smaller one, at most as the next larger.
        """
        sizes = self._costs.get(key)
        if not sizes:
            return 0
        smaller = max((size for size in sizes if size <= rows), default=None)
        larger = min((size for size in sizes if size >= rows), default=None)
        known = []
        if smaller is not None:
            known.append(-(-sizes[smaller] * rows // smaller))
        if larger is not None:
            known.append(sizes[larger])
        return min(known)

    def least_ns(self, key: Hashable, rows: int) -> int:
        """Return what a run of so many rows costs at least, as far as is known: rows may come for nothing."""
        sizes = self._costs.get(key)
        smaller = max((size for size in sizes if size <= rows), default=None) if sizes else None
        return 0 if sizes is None or smaller is None else sizes[smaller]
