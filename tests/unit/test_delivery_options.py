"""``--alerts`` and ``seamwatch webhook`` without a network."""

import time

import pytest
from click.testing import CliRunner

from clients.cli import server_options
from clients.cli.alert_options import alert_routes
from clients.cli.main import main
from realtime.delivery.keys import public_text, read_key, write_new_key
from realtime.delivery.line_writer import write_line
from realtime.delivery.signature import signed_headers
from realtime.errors import ConfigurationError
from tests.support.wire_messages import alert


def run(*arguments, **environment):
    return CliRunner().invoke(main, list(map(str, arguments)), env=environment)


@pytest.fixture
def key_file(tmp_path):
    path = tmp_path / "key.pem"
    write_new_key(path)
    return path


def routes(*wanted, keys=(), room=False):
    return alert_routes(wanted, keys, room=room)


def test_nothing_asked_is_nothing_done(tmp_path):
    assert routes().companions(tmp_path / "alerts") == []


def test_every_destination_is_understood_and_counts_once(key_file):
    asked = routes(
        "stdout", "https://a.example/x", "room", "stdout", "https://a.example/x", keys=[key_file], room=True
    )
    assert (asked.stdout, asked.room) == (True, True)
    assert [str(url) for url in asked.webhooks] == ["https://a.example/x"]
    assert [public_text(key) for key in asked.keys] == [public_text(read_key(key_file))]


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:9/x", "http://localhost/", "http://[::1]:80/", "https://h/p?q=1"]
)
def test_addresses_that_may_be_used(key_file, address):
    assert len(routes(address, keys=[key_file]).webhooks) == 1


@pytest.mark.parametrize(
    "address",
    [
        "http://alerts.example/s3cret",
        "http://127.0.0.1.example/s3cret",
        "http://10.0.0.1/s3cret",
        "ftp://127.0.0.1/s3cret",
        "https:///s3cret",
        "https://host:0/s3cret",
        "https://host:port/s3cret",
        "https://host/s3cret#part",
        "https://ho st/s3cret",
        "s3cret",
    ],
)
def test_addresses_that_may_not_be_used_are_never_quoted(key_file, address):
    with pytest.raises(ConfigurationError) as raised:
        routes(address, keys=[key_file])
    assert "s3cret" not in str(raised.value)
    assert "s3cret" not in raised.value.fix


def test_a_webhook_needs_a_key():
    with pytest.raises(ConfigurationError, match="key"):
        routes("https://a.example/x")


def test_only_a_call_has_a_room():
    with pytest.raises(ConfigurationError, match="room"):
        routes("room")


def test_serve_takes_alerts_from_the_environment_and_keeps_stdout_for_them(monkeypatch, tmp_path, key_file):
    started = {}

    async def run_server(*, ready, **options):
        started.update(options)
        ready("http://127.0.0.1:5")

    monkeypatch.setattr(server_options, "run_server", run_server)
    result = run(
        "serve",
        "--store",
        tmp_path / "a",
        SEAMWATCH_SERVE_ALERTS="stdout https://a.example/x",
        SEAMWATCH_SERVE_WEBHOOK_KEY=str(key_file),
    )
    assert result.exit_code == 0, result.output
    assert len(started["followers"]) == 1
    assert result.stdout == ""
    assert "Seamwatch is running" in result.stderr


def test_serve_refuses_what_it_cannot_do_before_it_starts(tmp_path):
    for arguments in (["room"], ["nowhere"], ["https://a.example/x"]):
        result = run("serve", "--store", tmp_path / "a", "--alerts", *arguments)
        assert result.exit_code == 2
        assert "fix:" in result.stderr
    assert not (tmp_path / "a").exists()


def test_key_prints_the_public_key_and_nothing_else(tmp_path):
    made = run("webhook", "key", "--out", tmp_path / "key.pem")
    assert made.exit_code == 0
    assert made.stdout.startswith("whpk_")
    assert len(made.stdout.splitlines()) == 1
    assert run("webhook", "key", "--show", tmp_path / "key.pem").stdout == made.stdout
    assert run("webhook", "key", "--out", tmp_path / "key.pem").exit_code == 2
    assert run("webhook", "key").exit_code == 2


@pytest.fixture
def request_file(tmp_path, key_file):
    def write(*, age_s=0, change=lambda content: content):
        body = alert("ann").model_dump_json().encode()
        headers = signed_headers(
            [read_key(key_file)], message_id="alert_1", timestamp_s=int(time.time()) - age_s, body=body
        )
        lines = "".join(f"{name.title()}: {value}\r\n" for name, value in headers.items())
        path = tmp_path / "request.http"
        path.write_bytes(change(f"POST / HTTP/1.1\r\n{lines}\r\n".encode() + body))
        return path

    return write


def verify(path, key_file, *arguments):
    return run("webhook", "verify", path, "--public-key", public_text(read_key(key_file)), *arguments)


def test_verify_accepts_what_is_good_and_in_time(request_file, key_file):
    result = verify(request_file(), key_file)
    assert result.exit_code == 0
    assert result.stdout.startswith("good: alert_1")


def test_verify_tells_old_from_wrong(request_file, key_file, tmp_path):
    old = request_file(age_s=1000)
    result = verify(old, key_file)
    assert result.exit_code == 1
    assert "more than 300 s" in result.stderr
    assert verify(old, key_file, "--any-age").exit_code == 0
    write_new_key(tmp_path / "other.pem")
    assert "No signature" in verify(old, tmp_path / "other.pem", "--any-age").stderr


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content.replace(b'"ann"', b'"bob"'),
        lambda content: content.replace(b"alert_1", b"alert_2"),
        lambda content: content + b"\n",
        lambda content: content[:-1],
    ],
)
def test_verify_refuses_what_was_changed(request_file, key_file, change):
    assert verify(request_file(change=change), key_file).exit_code == 1


def test_verify_reads_requests_only(request_file, key_file, tmp_path):
    assert verify(request_file(change=lambda _: b"hello"), key_file).exit_code == 3
    assert verify(tmp_path / "absent", key_file).exit_code == 3
    twice = request_file(
        change=lambda content: content.replace(b"\r\n\r\n", b"\r\nwebhook-id: alert_9\r\n\r\n")
    )
    assert verify(twice, key_file).exit_code == 3


async def test_a_line_is_written_whole_and_a_closed_reader_is_told(tmp_path):
    path = tmp_path / "lines"
    with path.open("wb") as file:
        assert await write_line(file.fileno(), "ä" * 100_000)
        assert await write_line(file.fileno(), "b")
    assert path.read_text() == "ä" * 100_000 + "\nb\n"
    with path.open("rb") as file:
        assert not await write_line(file.fileno(), "c")
