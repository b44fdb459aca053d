"""``/readyz``: whether every part of the monitor runs."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from realtime.server.ports import Health, HealthState
from tests.support.fake_monitor import running


@pytest.mark.parametrize(
    ("health", "ready", "healthy"),
    [
        (Health(state=HealthState.OK), 200, 200),
        (Health(state=HealthState.DEGRADED, reasons=["overload"]), 200, 200),
        (Health(state=HealthState.DEGRADED, reasons=["worker_down"], complete=False), 503, 200),
        (Health(state=HealthState.FAILING, reasons=["alert_store_failing"]), 503, 503),
    ],
)
async def test_a_monitor_without_a_part_of_it_is_healthy_and_not_ready(
    tmp_path: Path, health: Health, ready: int, healthy: int
) -> None:
    async with running(tmp_path) as service, httpx.AsyncClient(trust_env=False) as http:
        service.monitor.state = health
        answers = [await http.get(f"{service.url}{path}") for path in ("/readyz", "/healthz")]
        assert [answer.status_code for answer in answers] == [ready, healthy]
        assert answers[0].json() == answers[1].json()
        assert answers[0].json()["reasons"] == list(health.reasons)


async def test_readiness_is_told_to_those_who_may_ask(tmp_path: Path) -> None:
    async with (
        running(tmp_path, token="s3cret") as service,
        httpx.AsyncClient(base_url=service.url, trust_env=False) as http,
    ):
        assert (await http.get("/readyz")).status_code == 401
        assert (await http.get("/readyz", headers={"Authorization": "Bearer s3cret"})).status_code == 200
