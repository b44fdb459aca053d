import json
import stat
import sys

import pytest

from realtime.delivery import dead_letters
from realtime.delivery.dead_letters import DeadLetter, DeadLetterError, DeadLetterFile
from realtime.delivery.outlet import Attempt
from realtime.delivery.resend import ResendReport, resend
from realtime.delivery.retry import Outcome
from tests.support.wire_messages import alert


def letter(seq):
    return DeadLetter(
        id=f"alert_0_{seq}",
        attempts=3,
        fault="status 400",
        given_up_at="2026-01-02T03:04:05+00:00",
        alert=alert("ann", seq=seq),
    )


@pytest.fixture
def path(tmp_path):
    return tmp_path / "letters.jsonl"


def filled(path, *seqs):
    file = DeadLetterFile(path)
    for seq in seqs:
        file.append(letter(seq))
    return file


def held(path):
    return [json.loads(line)["alert"]["seq"] for line in path.read_text().splitlines()]


def test_letters_are_lines_of_json_that_only_their_owner_reads(path):
    file = filled(path, 1, 2)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [DeadLetter.model_validate_json(line) for line in path.read_text().splitlines()] == [
        letter(1),
        letter(2),
    ]
    with file.taken() as letters:
        assert [line.letter for line in letters.lines] == [letter(1), letter(2)]


def test_a_full_file_takes_no_more_and_stays_as_it_was(path):
    filled(path, 1)
    before = path.read_bytes()
    file = DeadLetterFile(path, max_bytes=2 * len(before) - 1)
    with pytest.raises(DeadLetterError, match="full"):
        file.append(letter(2))
    assert path.read_bytes() == before
    DeadLetterFile(path, max_bytes=2 * len(before)).append(letter(2))
    assert held(path) == [1, 2]


def test_a_torn_line_harms_no_other(path):
    filled(path, 1)
    path.write_bytes(path.read_bytes() + b'{"v":1,"id":"torn\xff')
    file = filled(path, 2)
    with file.taken() as letters:
        assert [line.letter and line.letter.alert.seq for line in letters.lines] == [1, None, 2]
        letters.keep_only(letters.lines[1:])
    assert path.read_bytes().startswith(b'{"v":1,"id":"torn\xff\n')
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_that_is_taken_cannot_be_written_by_another(path):
    file = filled(path, 1)
    with file.taken(), pytest.raises(DeadLetterError, match="in use"):
        DeadLetterFile(path).append(letter(2))
    file.append(letter(2))
    assert held(path) == [1, 2]


@pytest.mark.skipif(sys.platform == "win32", reason="files are locked on POSIX only")
def test_a_file_that_is_replaced_before_it_is_locked_is_opened_again(path, monkeypatch):
    filled(path, 1)
    lock = dead_letters.fcntl.flock

    def replaced_meanwhile(descriptor, operation):
        monkeypatch.setattr(dead_letters.fcntl, "flock", lock)
        path.rename(path.with_name("old"))
        filled(path, 2)
        lock(descriptor, operation)

    monkeypatch.setattr(dead_letters.fcntl, "flock", replaced_meanwhile)
    filled(path, 3)
    assert held(path) == [2, 3]


def test_an_empty_file_goes_and_comes_again(path):
    file = filled(path, 1)
    with file.taken() as letters:
        letters.keep_only([])
    assert not path.exists()
    file.append(letter(2))
    assert held(path) == [2]


def test_faults_are_stated(tmp_path):
    with pytest.raises(DeadLetterError, match="cannot be used"), DeadLetterFile(tmp_path / "absent").taken():
        pass
    with pytest.raises(DeadLetterError, match="cannot be used"):
        DeadLetterFile(tmp_path / "absent" / "letters").append(letter(1))
    with pytest.raises(DeadLetterError, match="cannot be used"):
        DeadLetterFile(tmp_path).append(letter(1))


class Outlet:
    def __init__(self, outcomes):
        self.outcomes = outcomes
        self.got = []

    async def attempt(self, alert, message_id):
        self.got.append((alert.seq, message_id))
        outcome = self.outcomes.get(alert.seq, Outcome.DELIVERED)
        return Attempt(outcome=outcome, fault="" if outcome is Outcome.DELIVERED else "status x")


async def resent(path, outcomes):
    outlet = Outlet(outcomes)
    with DeadLetterFile(path).taken() as letters:
        return await resend(letters, outlet), outlet.got


async def test_what_is_delivered_leaves_the_file_and_ids_stay(path):
    filled(path, 1, 2)
    report, got = await resent(path, {})
    assert report == ResendReport(delivered=2, refused=0, unreadable=0, untried=0, fault="")
    assert got == [(1, "alert_0_1"), (2, "alert_0_2")]
    assert not path.exists()


async def test_what_is_refused_stays(path):
    filled(path, 1, 2, 3)
    report, _ = await resent(path, {2: Outcome.REFUSED})
    assert (report.delivered, report.refused, report.fault) == (2, 1, "")
    assert held(path) == [2]


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.GONE])
async def test_a_receiver_that_is_away_ends_the_work(path, outcome):
    filled(path, 1, 2, 3)
    report, got = await resent(path, {2: outcome})
    assert (report.delivered, report.untried, report.fault) == (1, 2, "status x")
    assert [seq for seq, _ in got] == [1, 2]
    assert held(path) == [2, 3]


async def test_an_interruption_loses_nothing_and_resends_nothing_that_was_taken(path):
    filled(path, 1, 2)

    class Interrupted(Outlet):
        async def attempt(self, alert, message_id):
            if alert.seq == 2:
                raise KeyboardInterrupt
            return await super().attempt(alert, message_id)

    with pytest.raises(KeyboardInterrupt), DeadLetterFile(path).taken() as letters:
        await resend(letters, Interrupted({}))
    assert held(path) == [2]
