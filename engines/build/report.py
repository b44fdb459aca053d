"""``parity.json``: how far the engines of a set are from their references, and what that does to verdicts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from pydantic import BaseModel, ConfigDict

from engines.build.parity import Parity
from engines.spec import Role


class ClipComparison(BaseModel):
    """What two sets of engines say about one clip; scores are None where the evidence is insufficient."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    clip: str
    reference_score: float | None
    score: float | None
    reference_verdict: str
    verdict: str
    largest_change: float | None

    @property
    def passed(self) -> bool:
        """Say whether the verdict stayed what it was."""
        return self.verdict == self.reference_verdict


def parity_report(engines: Mapping[Role, Parity], clips: Sequence[ClipComparison] = ()) -> bytes:
    """Return the content of ``parity.json``.

    Args:
        engines: By role.
        clips: Scores and verdicts against those of the default engines.
    """
    content = {
        "passed": all(one.passed for one in engines.values()) and all(one.passed for one in clips),
        "engines": {
            role.value: {**parity.model_dump(mode="json"), "passed": parity.passed}
            for role, parity in engines.items()
        },
        "clips": [{**one.model_dump(mode="json"), "passed": one.passed} for one in clips],
    }
    return f"{json.dumps(content, indent=1)}\n".encode()
