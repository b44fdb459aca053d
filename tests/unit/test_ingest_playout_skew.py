import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.ingest.playout_skew import MAX_APART_NS, MAX_PLAUSIBLE_NS, RECENT, PlayoutSkew

MS = 1_000_000
S = 1_000_000_000
WALL_NS = 1_700_000_000 * S


def tell(skew: PlayoutSkew, at_ns: int, *, audio_ns: int, video_ns: int, apart_ns: int = 0) -> None:
    """Say how far behind the sender's clock either track is played."""
    skew.note("audio", sender_ns=WALL_NS + at_ns - audio_ns, at_ns=at_ns)
    skew.note("video", sender_ns=WALL_NS + at_ns + apart_ns - video_ns, at_ns=at_ns + apart_ns)


def test_nothing_is_known_of_one_track_alone() -> None:
    skew = PlayoutSkew()
    skew.note("video", sender_ns=WALL_NS, at_ns=0)
    skew.note("video", sender_ns=WALL_NS + S, at_ns=S)
    assert (skew.is_known, skew.skew_ns, skew.spread_ns) == (False, 0, 0)


@given(audio_ms=st.integers(0, 900), video_ms=st.integers(0, 900), apart_ms=st.integers(0, 900))
def test_sound_played_later_than_its_pictures_moves_them_forward(
    audio_ms: int, video_ms: int, apart_ms: int
) -> None:
    skew = PlayoutSkew()
    tell(skew, S, audio_ns=audio_ms * MS, video_ns=video_ms * MS, apart_ns=apart_ms * MS)
    assert skew.skew_ns == (audio_ms - video_ms) * MS


def test_one_odd_account_is_outvoted_and_shown_as_spread() -> None:
    skew = PlayoutSkew()
    for second in range(RECENT):
        odd_ns = 400 * MS if second == 2 else 0
        tell(skew, second * S, audio_ns=50 * MS + odd_ns, video_ns=20 * MS)
    assert skew.skew_ns == 30 * MS
    assert skew.spread_ns == 200 * MS


def test_a_change_is_followed() -> None:
    skew = PlayoutSkew()
    for second in range(10):
        tell(skew, second * S, audio_ns=(50 if second < 5 else 120) * MS, video_ns=20 * MS)
    assert skew.skew_ns == 100 * MS
    assert skew.spread_ns == 0


@pytest.mark.parametrize(
    ("audio_ns", "apart_ns"), [(MAX_PLAUSIBLE_NS + 1, 0), (0, MAX_APART_NS + 1)], ids=["absurd", "stale"]
)
def test_what_cannot_be_is_ignored(audio_ns: int, apart_ns: int) -> None:
    skew = PlayoutSkew()
    tell(skew, S, audio_ns=audio_ns, video_ns=0, apart_ns=apart_ns)
    assert not skew.is_known
