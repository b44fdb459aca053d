import json
import re
from pathlib import Path
from typing import get_args

import pytest

from realtime.server import wire
from realtime.server.body import MAX_BODY_BYTES
from realtime.server.hub import CLOSE_GOING_AWAY

PAGE = (Path(__file__).parents[2] / "docs" / "wire-protocol.md").read_text()
EXAMPLES = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]
MODELS = get_args(get_args(wire.Message)[0])


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example["type"])
def test_an_example_is_a_message_with_every_field_and_no_other(example):
    message = wire.MESSAGE.validate_python(example)
    assert json.loads(message.model_dump_json()) == example


def test_every_message_has_an_example():
    assert {type(wire.MESSAGE.validate_python(example)) for example in EXAMPLES} == set(MODELS)


def test_the_numbers_of_the_page_are_those_of_the_code():
    for code in (wire.CLOSE_TOO_FAR_BEHIND, wire.CLOSE_UNAUTHORISED, CLOSE_GOING_AWAY):
        assert f"| {code} |" in PAGE
    assert f"`{wire.SUBPROTOCOL}`" in PAGE
    assert f"{MAX_BODY_BYTES // 1024} KiB" in PAGE


def test_a_message_outlives_later_additions():
    example = {**EXAMPLES[0], "added_later": {"x": 1}}
    assert wire.MESSAGE.validate_python(example) == wire.MESSAGE.validate_python(EXAMPLES[0])
