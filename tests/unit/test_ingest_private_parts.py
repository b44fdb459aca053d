"""One package touches the private parts of the WebRTC stack."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import realtime
from realtime.ingest.aiortc_private import required

ROOT = Path(realtime.__file__).parents[1]
PACKAGE = ROOT / "realtime" / "ingest" / "aiortc_private"
#: ``_task``, ``_queue``, ``_transport`` and the like are names of others, too.
PRIVATE = {
    *required.RECEIVER_PARTS,
    *required.CERTIFICATE_PARTS,
    "_rtp_router",
    "_rtp_header_extensions_map",
    "_handle_rtcp_data",
    "_rx_srtp",
    "_nominated",
    "_query_consent_task",
    required.PEER_CERTIFICATES,
}


def touched(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and node.attr in PRIVATE:
            yield node.attr
        elif isinstance(node, ast.Constant) and node.value in PRIVATE:
            yield str(node.value)
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name in ("aioice.ice", "pylibsrtp"))


@pytest.mark.parametrize("folder", ["realtime", "clients"])
def test_no_other_file_touches_them(folder: str) -> None:
    found = {
        str(path.relative_to(ROOT)): names
        for path in sorted((ROOT / folder).rglob("*.py"))
        if PACKAGE not in path.parents and (names := set(touched(path)))
    }
    assert found == {}


def test_the_package_is_seen_to_touch_them() -> None:
    assert {name for path in PACKAGE.glob("*.py") for name in touched(path)} >= PRIVATE
