import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from engines.backends.registry import BACKEND_NAMES
from engines.build.parity import Distances, Parity
from engines.build.record import (
    CheckpointRecord,
    EngineRecord,
    Frontend,
    SealedSet,
    SetRecord,
    TensorRecord,
    Windows,
    as_json,
    canonical_sha256,
)
from engines.spec import Role, TensorSpec

sizes = st.none() | st.integers(1, 4096)
hashes = st.text("0123456789abcdef", min_size=64, max_size=64)
names = st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,20}\Z")
texts = st.text(st.characters(codec="utf-8"), max_size=20)
counts = st.integers(1, 1000)
numbers = st.floats(0, 2)


@st.composite
def tensors(draw):
    shape = tuple(draw(st.lists(sizes, max_size=5)))
    multiples = draw(st.none() | st.tuples(*[st.integers(1, 64) for _ in shape]))
    return TensorSpec(shape=shape, dtype=draw(st.sampled_from(["float32", "int64"])), multiples=multiples)


windows = st.builds(Windows, length_ticks=counts, hop_ticks=counts, band_ticks=st.integers(0, 50))
distances = st.builds(
    Distances,
    reference=st.sampled_from(["onnx", "torch"]),
    inputs=st.sampled_from(["recorded", "random"]),
    outputs=counts,
    mean=numbers,
    p99=numbers,
    max=numbers,
    tolerance=st.none() | numbers,
)
parities = st.builds(
    Parity,
    comparisons=st.lists(distances, max_size=3).map(tuple),
    evidence=texts,
    evidence_sha256=hashes,
    notes=st.lists(texts, max_size=2).map(tuple),
)
records = st.builds(
    EngineRecord,
    key=hashes,
    role=st.sampled_from(list(Role)),
    model=texts,
    inputs=st.dictionaries(texts, tensors().map(TensorRecord.of), max_size=3),
    outputs=st.dictionaries(texts, tensors().map(TensorRecord.of), max_size=3),
    frontend=st.builds(Frontend, id=texts, version=counts),
    windows=windows,
    lengths=st.lists(counts, max_size=2).map(tuple),
    max_batch=counts,
    backend=st.sampled_from(BACKEND_NAMES),
    precision=st.sampled_from(["fp32", "fp16", "bf16", "int8"]),
    versions=st.dictionaries(texts, texts, max_size=3),
    device=texts,
    device_fingerprint=texts,
    source_sha256=hashes,
    graph_sha256=hashes,
    checkpoint_sha256=st.none() | hashes,
    built_at=texts,
    build_seconds=st.floats(0, 1e6),
    files=st.dictionaries(names, hashes, max_size=4),
    parity=parities,
    notes=st.lists(texts, max_size=2).map(tuple),
)
sets = st.builds(
    SetRecord,
    key=hashes,
    engines=st.dictionaries(st.sampled_from(list(Role)), hashes),
    checkpoint=st.builds(
        CheckpointRecord, name=texts, sha256=hashes, dimension=counts, context_ticks=st.integers(0, 20)
    ),
    windows=windows,
    max_batch=counts,
    built_at=texts,
    seamwatch=texts,
    command=st.lists(texts, max_size=4).map(tuple),
)


@given(tensors())
def test_a_tensor_comes_back_as_it_was(tensor):
    assert TensorRecord.model_validate_json(as_json(TensorRecord.of(tensor))).spec() == tensor


@given(records, st.integers(1, 8))
def test_an_engine_record_comes_back_as_it_was(record, threads):
    again = EngineRecord.model_validate_json(as_json(record))
    assert again == record
    assert again.spec(threads) == record.spec(threads)
    assert as_json(again) == as_json(record)


@given(sets)
def test_a_sealed_set_comes_back_sound(record):
    sealed = SealedSet.model_validate_json(as_json(SealedSet.seal(record)))
    assert sealed.sound
    assert sealed.set == record


@given(sets, counts)
def test_a_changed_set_is_not_sound(record, max_batch):
    content = json.loads(as_json(SealedSet.seal(record)))
    content["set"]["max_batch"] = max_batch
    assert SealedSet.model_validate(content).sound is (max_batch == record.max_batch)


@given(records, st.sampled_from(["../up", "/root", "a/b", "", ".hidden", "a\\b", "a\n"]))
def test_no_file_can_be_named_outside_of_the_folder(record, name):
    content = json.loads(as_json(record))
    content["files"] = {name: "0" * 64}
    with pytest.raises(ValidationError):
        EngineRecord.model_validate(content)


@given(records, st.sampled_from(sorted(EngineRecord.model_fields)))
def test_only_what_has_a_default_may_be_missing(record, field):
    content = json.loads(as_json(record))
    del content[field]
    if EngineRecord.model_fields[field].is_required():
        with pytest.raises(ValidationError):
            EngineRecord.model_validate(content)
    else:
        EngineRecord.model_validate(content)


@given(records)
def test_unknown_fields_and_formats_are_refused(record):
    content = json.loads(as_json(record))
    for change in ({"format": 2}, {"surprise": 1}):
        with pytest.raises(ValidationError):
            EngineRecord.model_validate({**content, **change})


@given(st.dictionaries(texts, st.integers()))
def test_the_canonical_hash_knows_no_order(value):
    assert canonical_sha256(value) == canonical_sha256(dict(reversed(value.items())))


def test_windows_say_what_each_role_gets():
    live = Windows(length_ticks=25, hop_ticks=10, band_ticks=7)
    assert {role: live.lengths(role) for role in Role if live.lengths(role)} == {
        Role.VISUAL: (25,),
        Role.SPEECH: (39,),
        Role.AUDIO: (39,),
    }
