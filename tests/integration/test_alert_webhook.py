"""Alerts over real HTTP on the loopback address, from the store to receivers of all manners."""

import asyncio
import logging
import socket
import stat
import sys
import time
from contextlib import asynccontextmanager, suppress

import httpx
import pytest
import structlog
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from clients.cli.main import main
from clients.webhook_receiver import MAX_BODY_BYTES, WebhookReceiver, serve_receiver
from realtime.alerts.store import AlertStore
from realtime.delivery.courier import Courier, Surroundings
from realtime.delivery.dead_letters import DeadLetter
from realtime.delivery.keys import public_text, write_new_key
from realtime.delivery.retry import Outcome
from realtime.delivery.signature import signed_headers, verified
from realtime.delivery.webhook import open_webhook, webhook_destination, webhook_url
from realtime.observe.logging import configure_logging
from realtime.observe.metrics import MonitorMetrics
from realtime.server.hub import EventHub
from realtime.server.wire import AlertMessage
from tests.support.fake_monitor import draft
from tests.support.wire_messages import alert

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


class Receiver:
    """An HTTP server that answers as a test says, byte by byte."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.requests = []
        self.url = ""
        self._changed = asyncio.Condition()

    async def until(self, count):
        async with self._changed:
            await self._changed.wait_for(lambda: len(self.requests) >= count)

    async def _serve(self, reader, writer):
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                named = (line.partition(": ") for line in head[1:] if line)
                headers = {name.lower(): value for name, _, value in named}
                body = await reader.readexactly(int(headers["content-length"]))
                answer = self.answers.pop(0) if self.answers else 200
                self.requests.append((head[0], headers, body))
                async with self._changed:
                    self._changed.notify_all()
                if answer == "hang":
                    await reader.read()
                elif answer != "close":
                    status, extra = answer if isinstance(answer, tuple) else (answer, "")
                    writer.write(f"HTTP/1.1 {status} X\r\n{extra}content-length: 0\r\n\r\n".encode())
                    await writer.drain()
        finally:
            writer.close()

    @asynccontextmanager
    async def running(self):
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook?secret=s3cret"
        async with server:
            yield self


def outlet_to(url, *, timeout_s=15.0):
    return open_webhook(webhook_url(url), [KEY], timeout_s=timeout_s)


async def attempt(*answers, timeout_s=15.0):
    async with (
        Receiver(*answers).running() as receiver,
        outlet_to(receiver.url, timeout_s=timeout_s) as outlet,
    ):
        return await outlet.attempt(alert("ann"), "alert_1"), receiver.requests


async def test_a_request_is_the_alert_as_on_the_websocket_signed_for_now():
    before_s = int(time.time())
    outcome, requests = await attempt(200)
    ((line, headers, body),) = requests
    assert outcome.outcome is Outcome.DELIVERED
    assert line == "POST /hook?secret=s3cret HTTP/1.1"
    assert body == alert("ann").model_dump_json().encode()
    assert headers["content-type"] == "application/json"
    assert headers["user-agent"].startswith("seamwatch/")
    signed = verified(headers, body, [KEY.public_key()], now_s=time.time())
    assert signed.message_id == "alert_1"
    assert before_s <= signed.timestamp_s <= time.time()


@pytest.mark.parametrize(
    ("answer", "outcome", "fault"),
    [
        (204, Outcome.DELIVERED, ""),
        (500, Outcome.FAILED, "status 500"),
        (404, Outcome.REFUSED, "status 404"),
        (410, Outcome.GONE, "status 410"),
        ("close", Outcome.FAILED, "RemoteProtocolError"),
    ],
)
async def test_answers(answer, outcome, fault):
    got, _ = await attempt(answer)
    assert (got.outcome, got.fault) == (outcome, fault)


async def test_redirects_are_not_followed():
    async with Receiver().running() as elsewhere:
        got, _ = await attempt((307, f"location: {elsewhere.url}\r\n"))
        assert got.outcome is Outcome.REFUSED
        assert elsewhere.requests == []


async def test_retry_after_is_read():
    got, _ = await attempt((503, "retry-after: 17\r\n"))
    assert (got.outcome, got.asked_s) == (Outcome.FAILED, 17.0)


async def test_a_receiver_that_hangs_is_given_up():
    got, _ = await attempt("hang", timeout_s=0.05)
    assert (got.outcome, got.fault) == (Outcome.FAILED, "timeout")


async def test_a_receiver_that_is_not_there():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    async with outlet_to(f"http://127.0.0.1:{port}/") as outlet:
        got = await outlet.attempt(alert("ann"), "alert_1")
    assert (got.outcome, got.fault) == (Outcome.FAILED, "ConnectError")


async def test_proxies_are_not_asked_for_this_machine(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    got, _ = await attempt(200)
    assert got.outcome is Outcome.DELIVERED


class Delivery:
    """A store, a hub and a courier to a webhook; waiting between attempts costs no time."""

    def __init__(self, store, store_path, url, outlet):
        self.store = store
        self.hub = EventHub(store, MonitorMetrics())
        self.destination = webhook_destination(webhook_url(url), [KEY], store_path=store_path)

        async def at_once(_delay_s):
            await asyncio.sleep(0)

        self.courier = Courier(
            self.destination,
            outlet,
            store,
            self.hub.metrics,
            newest_seq=store.last_seq,
            surroundings=Surroundings(sleep=at_once, clock=lambda: 1_767_323_045.0, uniform=lambda: 0.5),
        )

    async def settled(self):
        while True:
            if not self.courier.pending:
                return
            await asyncio.sleep(0)


@asynccontextmanager
async def delivering(folder, url):
    path = folder / "alerts.sqlite3"
    async with AlertStore(path, clock=lambda: 1_767_323_045.0) as store, outlet_to(url) as outlet:
        delivery = Delivery(store, path, url, outlet)
        with delivery.hub.alert_signal() as stored:
            task = asyncio.create_task(delivery.courier.run(stored), name="test-courier")
            while True:
                if await store.bookmark(delivery.destination.bookmark) is not None:
                    break
            try:
                yield delivery
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)


def seqs(receiver):
    return [AlertMessage.model_validate_json(body).seq for _, _, body in receiver.requests]


async def test_two_failures_then_success(tmp_path):
    async with Receiver(500, 500, 200).running() as receiver, delivering(tmp_path, receiver.url) as delivery:
        await delivery.hub.publish_alert(draft())
        await delivery.hub.publish_alert(draft())
        await receiver.until(4)
        await delivery.settled()
    assert seqs(receiver) == [1, 1, 1, 2]
    ids = [headers["webhook-id"] for _, headers, _ in receiver.requests]
    assert ids[0] == ids[1] == ids[2] != ids[3]


async def test_a_restart_goes_on_where_the_receiver_last_said_yes(tmp_path):
    async with Receiver(200, "close").running() as receiver:
        async with delivering(tmp_path, receiver.url) as delivery:
            await delivery.hub.publish_alert(draft())
            await delivery.hub.publish_alert(draft())
            await receiver.until(3)
            await delivery.settled()
            receiver.answers[:] = [503] * 100
            await delivery.hub.publish_alert(draft())
            await receiver.until(4)
        before = len(receiver.requests)
        receiver.answers.clear()
        async with delivering(tmp_path, receiver.url) as delivery:
            await receiver.until(before + 1)
            await delivery.settled()
    assert seqs(receiver)[:3] == [1, 2, 2]
    assert set(seqs(receiver)[3:]) == {3}
    assert len({headers["webhook-id"] for _, headers, _ in receiver.requests}) == 3


async def test_what_is_refused_is_kept_and_resent(tmp_path):
    async with Receiver(400, 200).running() as receiver, delivering(tmp_path, receiver.url) as delivery:
        await delivery.hub.publish_alert(draft())
        await delivery.hub.publish_alert(draft())
        await receiver.until(2)
        await delivery.settled()
        file = delivery.destination.dead_letters.path
        letter = DeadLetter.model_validate_json(file.read_text())
        assert letter.alert.seq == 1
        assert "s3cret" not in file.read_text()
        assert "s3cret" not in file.name
        write_new_key(tmp_path / "key.pem")

        def resend():
            arguments = [file, "--to", receiver.url, "--webhook-key", tmp_path / "key.pem"]
            return CliRunner().invoke(main, ["webhook", "resend", *map(str, arguments)])

        receiver.answers[:] = [503]
        failed = await asyncio.to_thread(resend)
        assert failed.exit_code == 1, failed.output
        assert "status 503" in failed.stderr
        assert file.exists()
        done = await asyncio.to_thread(resend)
        assert (done.exit_code, done.stdout) == (0, "delivered 1, refused 0, not tried 0\n")
        assert not file.exists()
    first, last = receiver.requests[0], receiver.requests[-1]
    assert last[1]["webhook-id"] == first[1]["webhook-id"]
    assert last[2] == first[2]


async def test_no_log_names_the_address_or_the_alert(tmp_path, capsys):
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    configure_logging("json", level=logging.DEBUG)
    try:
        async with (
            Receiver(500, 400, 410).running() as receiver,
            delivering(tmp_path, receiver.url) as delivery,
        ):
            for _ in range(2):
                await delivery.hub.publish_alert(draft(participant="confidential"))
            await receiver.until(3)
    finally:
        root.handlers, root.level = handlers, level
        structlog.reset_defaults()
    written = capsys.readouterr().err
    assert "alert_dead_lettered" in written
    assert "destination_gone" in written
    for secret in ("s3cret", "127.0.0.1", "confidential"):
        assert secret not in written


@asynccontextmanager
async def listening(clock=time.time, on_alert=None):
    taken, refused, ready = [], [], asyncio.get_running_loop().create_future()
    receiver = WebhookReceiver(
        [KEY.public_key()],
        on_alert=on_alert or (lambda alert, headers, body: taken.append(alert)),
        on_refusal=refused.append,
        clock=clock,
    )
    task = asyncio.create_task(serve_receiver(receiver, port=0, ready=ready.set_result), name="test-receiver")
    try:
        yield await ready, taken, refused
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def post(url, headers, body):
    async with httpx.AsyncClient(trust_env=False) as client:
        response = await client.post(url, headers=headers, content=body)
        return response.status_code


def signed(body, *, message_id="alert_1", at_s=None):
    return signed_headers([KEY], message_id=message_id, timestamp_s=int(at_s or time.time()), body=body)


BODY = alert("ann").model_dump_json().encode()


async def test_the_receiver_takes_what_the_monitor_sends_once():
    async with listening() as (url, taken, refused), outlet_to(url) as outlet:
        for _ in range(3):
            assert (await outlet.attempt(alert("ann"), "alert_1")).outcome is Outcome.DELIVERED
        assert (await outlet.attempt(alert("bob"), "alert_2")).outcome is Outcome.DELIVERED
        assert taken == [alert("ann"), alert("bob")]
        assert refused == []


async def test_a_replayed_request_is_not_taken_again_and_later_not_even_heard():
    now = [1_800_000_000.0]
    async with listening(clock=lambda: now[0]) as (url, taken, refused):
        headers = signed(BODY, at_s=now[0])
        assert await post(url, headers, BODY) == 200
        now[0] += 299
        assert await post(url, headers, BODY) == 200
        assert len(taken) == 1
        now[0] += 2
        assert await post(url, headers, BODY) == 401
        assert len(taken) == 1
        assert "more than 300 s" in refused[0].message


async def test_what_the_receiver_refuses():
    other = Ed25519PrivateKey.generate()
    async with listening() as (url, taken, refused):
        tampered = BODY.replace(b"ann", b"bob")
        assert await post(url, signed(BODY), tampered) == 401
        assert await post(url, {}, BODY) == 401
        assert await post(url, {**signed(BODY), "webhook-id": "alert_2"}, BODY) == 401
        assert await post(url, signed(BODY, at_s=time.time() - 1000), BODY) == 401
        assert await post(url, signed(BODY, at_s=time.time() + 1000), BODY) == 401
        forged = signed_headers([other], message_id="alert_1", timestamp_s=int(time.time()), body=BODY)
        assert await post(url, forged, BODY) == 401
        assert await post(url, signed(b"{}"), b"{}") == 400
        large = b" " * (MAX_BODY_BYTES + 1)
        assert await post(url, signed(large), large) == 413
        assert taken == []
        assert len(refused) == 8
        assert await post(url, signed(BODY), BODY) == 200
        assert len(taken) == 1


async def test_an_alert_that_the_receiver_could_not_keep_is_taken_when_it_comes_again():
    kept, full = [], [True]

    def keep(alert, headers, body):
        if full.pop() if full else False:
            raise OSError("disk full")
        kept.append(alert)

    async with listening(on_alert=keep) as (url, _, _):
        assert await post(url, signed(BODY), BODY) == 500
        assert await post(url, signed(BODY), BODY) == 200
        assert kept == [alert("ann")]


async def test_listen_prints_and_saves_what_verify_accepts(tmp_path):
    program = [sys.executable, "-m", "clients.cli.main", "webhook"]
    trusted = ["--public-key", public_text(KEY)]
    listener = await asyncio.create_subprocess_exec(
        *program, "listen", *trusted, "--port", "0", "--json", "--save", str(tmp_path / "saved"),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        url = (await listener.stderr.readline()).decode().split()[4]
        async with outlet_to(url) as outlet:
            for _ in range(2):
                assert (await outlet.attempt(alert("ann"), "alert_1")).outcome is Outcome.DELIVERED
    finally:
        listener.terminate()
        printed, errors = await listener.communicate()
    assert listener.returncode == 0, errors
    assert printed == BODY + b"\n"
    (saved,) = (tmp_path / "saved").iterdir()
    assert stat.S_IMODE(saved.stat().st_mode) == 0o600
    result = CliRunner().invoke(main, ["webhook", "verify", str(saved), *trusted])
    assert result.exit_code == 0, result.output
