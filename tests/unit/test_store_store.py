import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest

from engines.contracts import CONTRACTS
from engines.errors import ModelStoreError
from engines.spec import Role
from engines.store.catalogue import CATALOGUE, PinnedModel
from engines.store.download import SourceUnavailableError
from engines.store.prepared import PreparedCache
from engines.store.sources import WheelSource
from engines.store.store import SOURCE_VARIABLE, STORE_VARIABLE, WRONG_HASH, FileState, ModelStore

CONTENT = {"eyes": b"eyes" * 1000, "ears": b"ears" * 2000}


@dataclass
class ScriptedSource:
    """Delivers what it was told to, and counts how often it was asked."""

    label: str = "scripted"
    origin: str = "scripted"
    data: bytes | None = None
    silent: bool = False
    asked: int = field(default=0)

    def fetch(self, file_name, size_bytes, session):
        self.asked += 1
        if self.data is None:
            raise SourceUnavailableError("has nothing", silent=self.silent)
        session.progress(len(self.data))
        return self.data


def pinned(name, *sources):
    data = CONTENT[name]
    return PinnedModel(
        name=name,
        role=Role.DETECTOR,
        file_name=f"{name}.bin",
        sha256=hashlib.sha256(data).hexdigest(),
        size_bytes=len(data),
        licence="MIT",
        sources=sources,
    )


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch):
    monkeypatch.delenv(SOURCE_VARIABLE, raising=False)
    monkeypatch.delenv(STORE_VARIABLE, raising=False)


def test_the_first_source_that_delivers_the_right_file_wins(tmp_path):
    down = ScriptedSource(label="down")
    wrong = ScriptedSource(label="wrong", data=b"eyes" * 999 + b"EYES")
    right = ScriptedSource(label="right", data=CONTENT["eyes"])
    spare = ScriptedSource(label="spare", data=CONTENT["eyes"])
    store = ModelStore(tmp_path / "new" / "store", [pinned("eyes", down, wrong, right, spare)])

    seen = []
    (result,) = store.pull(progress=lambda model, source, got: seen.append((source.label, got)))
    assert result.state is FileState.PRESENT
    assert [(attempt.source, attempt.failure) for attempt in result.attempts] == [
        ("down", "has nothing"),
        ("wrong", WRONG_HASH),
        ("right", None),
    ]
    assert spare.asked == 0
    assert seen[-1] == ("right", 4000)
    assert store.path("eyes").read_bytes() == CONTENT["eyes"]


def test_folders_come_first_the_given_one_before_that_of_the_environment(tmp_path, monkeypatch):
    given, named = tmp_path / "given", tmp_path / "named"
    for folder in (given, named):
        folder.mkdir()
    (named / "eyes.bin").write_bytes(CONTENT["eyes"])
    monkeypatch.setenv(SOURCE_VARIABLE, str(named))
    far = ScriptedSource(data=CONTENT["eyes"])
    (result,) = ModelStore(tmp_path / "store", [pinned("eyes", far)]).pull(folder=given)
    assert [attempt.source for attempt in result.attempts] == [f"folder {given}", f"folder {named}"]
    assert far.asked == 0


def test_what_is_present_is_not_fetched_again_and_what_is_damaged_is(tmp_path):
    source = ScriptedSource(data=CONTENT["eyes"])
    store = ModelStore(tmp_path, [pinned("eyes", source)])
    store.pull()
    assert store.pull()[0].attempts == ()
    assert source.asked == 1

    (tmp_path / "eyes.bin").write_bytes(b"EYES" * 1000)
    assert store.status()[0].state is FileState.PRESENT
    assert store.verify()[0].state is FileState.DAMAGED
    with pytest.raises(ModelStoreError, match=r"damaged.*seamwatch models pull"):
        store.path("eyes")
    assert store.pull()[0].state is FileState.PRESENT
    assert store.verify()[0].state is FileState.PRESENT

    (tmp_path / "eyes.bin").write_bytes(b"short")
    assert store.status()[0].state is FileState.DAMAGED


def test_a_model_that_no_source_has_stays_missing(tmp_path):
    store = ModelStore(tmp_path, [pinned("eyes", ScriptedSource()), pinned("ears")])
    assert [result.state for result in store.pull()] == [FileState.MISSING] * 2
    with pytest.raises(ModelStoreError, match=r"not in the store.*seamwatch models pull"):
        store.path("eyes")


def test_a_silent_origin_is_asked_once_a_pull(tmp_path):
    silent = ScriptedSource(silent=True)
    store = ModelStore(tmp_path, [pinned("eyes", silent), pinned("ears", silent)])
    results = store.pull()
    assert silent.asked == 1
    assert results[1].attempts[0].failure == "did not answer a moment ago"
    store.pull()
    assert silent.asked == 2


def test_only_the_wanted_models_are_pulled_and_unknown_names_are_refused(tmp_path):
    models = [pinned(name, ScriptedSource(data=data)) for name, data in CONTENT.items()]
    store = ModelStore(tmp_path, models)
    assert [result.model.name for result in store.pull(["ears"])] == ["ears"]
    assert [status.state for status in store.status()] == [FileState.MISSING, FileState.PRESENT]
    with pytest.raises(ModelStoreError, match="Choose among eyes, ears"):
        store.pull(["nose"])
    with pytest.raises(ModelStoreError, match="no model named nose"):
        store.path("nose")


def test_a_file_that_did_not_change_is_hashed_once(tmp_path, monkeypatch):
    store = ModelStore(tmp_path, [pinned("eyes", ScriptedSource(data=CONTENT["eyes"]))])
    store.pull()
    hashed = []
    digest = hashlib.file_digest
    monkeypatch.setattr(hashlib, "file_digest", lambda *args: hashed.append(1) or digest(*args))
    for _ in range(3):
        store.path("eyes")
    assert len(hashed) == 1
    os.utime(tmp_path / "eyes.bin", (1, 1))
    store.path("eyes")
    assert len(hashed) == 2


def test_an_interrupted_write_leaves_nothing(tmp_path, monkeypatch):
    def fail(_handle):
        raise OSError(28, "No space left on device")

    store = ModelStore(tmp_path, [pinned("eyes", ScriptedSource(data=CONTENT["eyes"]))])
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(ModelStoreError, match="No space left on device"):
        store.pull()
    assert list(tmp_path.iterdir()) == []


def test_pulls_at_the_same_time_leave_one_whole_file(tmp_path):
    stores = [ModelStore(tmp_path, [pinned("eyes", ScriptedSource(data=CONTENT["eyes"]))]) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda store: store.pull()[0].state, stores))
    assert set(results) == {FileState.PRESENT}
    assert [path.name for path in tmp_path.iterdir()] == ["eyes.bin"]
    assert stores[0].path("eyes").read_bytes() == CONTENT["eyes"]


def test_the_environment_names_the_store(tmp_path, monkeypatch):
    monkeypatch.setenv(STORE_VARIABLE, str(tmp_path / "elsewhere"))
    assert ModelStore().root == tmp_path / "elsewhere"


def test_the_catalogue_pins_one_model_a_role_with_a_wheel_as_the_last_resort():
    assert sorted(model.role for model in CATALOGUE) == sorted(CONTRACTS)
    assert len({model.file_name for model in CATALOGUE}) == len(CATALOGUE)
    for model in CATALOGUE:
        assert len(bytes.fromhex(model.sha256)) == 32
        assert isinstance(model.sources[-1], WheelSource)


class TestPreparedCache:
    SOURCE = "ab" * 32

    def test_builds_once_a_source_and_version(self, tmp_path):
        cache, built = PreparedCache(tmp_path), []

        def build(data):
            return lambda: built.append(data) or data

        assert cache.get(self.SOURCE, 1, build(b"one")) == b"one"
        assert cache.get(self.SOURCE, 1, build(b"never")) == b"one"
        assert cache.get(self.SOURCE, 2, build(b"two")) == b"two"
        assert cache.get("cd" * 32, 1, build(b"other")) == b"other"
        assert built == [b"one", b"two", b"other"]

    def test_a_damaged_file_is_built_again(self, tmp_path):
        cache = PreparedCache(tmp_path)
        cache.get(self.SOURCE, 1, lambda: b"graph")
        (path,) = tmp_path.iterdir()
        path.write_bytes(b"grap")
        assert cache.get(self.SOURCE, 1, lambda: b"graph") == b"graph"
        assert path.read_bytes() == b"graph"

    def test_a_folder_that_cannot_be_written_costs_only_the_cache(self, tmp_path):
        (tmp_path / "file").write_bytes(b"")
        assert PreparedCache(tmp_path / "file").get(self.SOURCE, 1, lambda: b"graph") == b"graph"
