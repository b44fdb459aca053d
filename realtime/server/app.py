"""The web application: the page, WHIP, the alerts socket, health, metrics and schema on one port."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path, PurePosixPath

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from realtime.alerts.alert_runs import AlertRuns
from realtime.alerts.feedback_file import FeedbackFile
from realtime.errors import ConfigurationError, SeamwatchError
from realtime.server.alerts_socket import alerts_endpoint, server_name
from realtime.server.auth import Auth
from realtime.server.feedback import FeedbackDesk
from realtime.server.guard import Guard
from realtime.server.hub import EventHub
from realtime.server.ports import Health, HealthState, MonitorPort
from realtime.server.problem import http_exception, seamwatch_error
from realtime.server.whip import Whip
from realtime.server.wire import MESSAGE, SUBPROTOCOL

_WEB_SUFFIXES = frozenset({".css", ".html", ".ico", ".js", ".png", ".svg", ".webp", ".woff2"})


def create_app(
    monitor: MonitorPort,
    hub: EventHub,
    *,
    auth: Auth,
    static_dir: Path,
    feedback: FeedbackFile | None = None,
    runs: AlertRuns | None = None,
    send_timeout_s: float = 10.0,
    metrics_page: Callable[[], Awaitable[bytes]] | None = None,
) -> Starlette:
    """Return the application. Its shutdown ends the monitor's sessions.

    Args:
        monitor: The monitor.
        hub: Where the monitor publishes.
        auth: Who may talk to it.
        static_dir: Folder of the page: ``index.html`` and what it loads.
        feedback: Where false alarms go for calibration; None for nowhere but the alert store.
        runs: The observations behind the newest alerts, which go there too; None for none.
        send_timeout_s: How long one message may wait for a subscriber before its connection is closed.
        metrics_page: Makes what ``/metrics`` answers; None for the metrics of the hub.

    Raises:
        ConfigurationError: There is no page in ``static_dir``.
    """
    if not (static_dir / "index.html").is_file():
        raise ConfigurationError("The page's files are missing.", fix="Install the package again.")

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await monitor.aclose()

    views = _Views(monitor, hub, static_dir, metrics_page)
    app = Starlette(
        routes=[
            *views.routes(),
            *Whip(monitor).routes(),
            *FeedbackDesk(hub, feedback, runs=runs).routes(),
            WebSocketRoute("/alerts", alerts_endpoint(monitor, hub, send_timeout_s=send_timeout_s)),
            Mount("/", _WebFiles(directory=static_dir)),
        ],
        middleware=[Middleware(Guard, auth=auth)],
        exception_handlers={HTTPException: http_exception, SeamwatchError: seamwatch_error},
        lifespan=lifespan,
    )
    app.state.hub = hub
    return app


class _Views:
    """What is only looked at."""

    def __init__(
        self,
        monitor: MonitorPort,
        hub: EventHub,
        static_dir: Path,
        metrics_page: Callable[[], Awaitable[bytes]] | None,
    ) -> None:
        self._monitor = monitor
        self._hub = hub
        self._static_dir = static_dir
        self._metrics_page = metrics_page
        schema = {"$id": SUBPROTOCOL, "title": SUBPROTOCOL, **MESSAGE.json_schema(mode="serialization")}
        self._schema = JSONResponse(schema, media_type="application/schema+json")

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/", self._page),
            Route("/healthz", self._health),
            Route("/readyz", self._ready),
            Route("/metrics", self._metrics),
            Route("/calls", self._calls),
            Route("/calls/{call}/participants/{participant}/thumbnail.jpg", self._thumbnail),
            Route("/schema/alerts.v1.json", self._alerts_schema),
        ]

    async def _page(self, _request: Request) -> Response:
        return FileResponse(self._static_dir / "index.html", headers={"Cache-Control": "no-cache"})

    async def _health(self, _request: Request) -> Response:
        health = self._monitor.health()
        return JSONResponse(_described(health), 503 if health.state is HealthState.FAILING else 200)

    async def _ready(self, _request: Request) -> Response:
        health = self._monitor.health()
        ready = health.complete and health.state is not HealthState.FAILING
        return JSONResponse(_described(health), 200 if ready else 503)

    async def _metrics(self, _request: Request) -> Response:
        body, content_type = self._hub.metrics.exposition()
        if self._metrics_page is not None:
            body = await self._metrics_page()
        return Response(body, headers={"Content-Type": content_type})

    async def _calls(self, _request: Request) -> Response:
        calls: dict[str, list[dict[str, object]]] = {}
        for snapshot in self._monitor.snapshot():
            latest = None if snapshot.latest is None else snapshot.latest.model_dump(mode="json")
            entry: dict[str, object] = {"participant": snapshot.participant, "latest": latest}
            calls.setdefault(snapshot.call, []).append(entry)
        return JSONResponse({"calls": [{"call": call, "participants": who} for call, who in calls.items()]})

    async def _thumbnail(self, request: Request) -> Response:
        picture = await self._monitor.thumbnail(
            request.path_params["call"], request.path_params["participant"]
        )
        if picture is None:
            raise HTTPException(404, "There is no picture of such a participant.")
        return Response(picture, media_type="image/jpeg", headers={"Cache-Control": "no-store"})

    async def _alerts_schema(self, _request: Request) -> Response:
        return self._schema


def _described(health: Health) -> dict[str, object]:
    return {
        "status": health.state.value,
        "reasons": list(health.reasons),
        "participants": health.participants,
        "server": server_name(),
    }


class _WebFiles(StaticFiles):
    """The page's files, and only those: the folder is a Python package as well."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        if scope["method"] in {"GET", "HEAD"} and PurePosixPath(path).suffix not in _WEB_SUFFIXES:
            raise HTTPException(404)
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "no-cache"
        return response
