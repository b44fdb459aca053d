"""The synthetic voice is speech to the voice activity detector, and it belongs to the synthetic lips."""

import numpy as np
import pytest

from clients.demo.cast import CALLER_VOICE, GENUINE_VOICE
from clients.demo.synthetic_voice import VoiceIdentity, synthesise
from clients.demo.utterance import Utterance, draw_utterance
from engines.loader import EngineSet
from realtime.encoders.speech import SpeechDetector
from realtime.timebase import FRAME_RATE_HZ, SAMPLE_RATE_HZ, SAMPLES_PER_TICK
from realtime.types import Bool, Float32

VOICES = (GENUINE_VOICE, CALLER_VOICE)


def within_phrases(words: Utterance, times_s: Float32, margin_s: float) -> Bool:
    inside = np.zeros(times_s.size, bool)
    for start_s, end_s in words.phrases:
        inside |= (times_s > start_s + margin_s) & (times_s < end_s - margin_s)
    return inside


def log_energy_per_tick(samples: Float32) -> Float32:
    power = np.square(samples.reshape(-1, SAMPLES_PER_TICK)).mean(axis=1)
    return np.asarray(np.log(power + 1e-7), np.float32)


def pitch_hz(samples: Float32) -> float:
    """Return the median pitch by autocorrelation over 64 ms frames that are loud."""
    frames = samples[: samples.size // 1024 * 1024].reshape(-1, 1024)
    loud = frames[np.square(frames).mean(axis=1) > np.square(frames).mean()]
    shortest, longest = SAMPLE_RATE_HZ // 300, SAMPLE_RATE_HZ // 70
    lags = [np.correlate(frame, frame, "full")[1023:][shortest:longest].argmax() + shortest for frame in loud]
    return float(SAMPLE_RATE_HZ / np.median(lags))


def test_a_seed_always_gives_the_same_words_and_voice() -> None:
    first, again, other = (synthesise(draw_utterance(3.0, seed), GENUINE_VOICE) for seed in (4, 4, 5))
    np.testing.assert_array_equal(first, again)
    assert first.size == other.size == 3 * SAMPLE_RATE_HZ
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("seed", range(4))
def test_control_signals_stay_in_their_ranges(seed: int) -> None:
    words = draw_utterance(12.0, seed)
    opening, roundness = words.lips_at_frames()
    assert opening.size == roundness.size == 12 * FRAME_RATE_HZ
    assert opening.min() >= 0
    assert opening.max() <= 1
    assert opening.std() > 0.15
    assert np.abs(roundness).max() <= 1
    assert all(end_s > start_s for start_s, end_s in words.phrases)
    assert words.phrases[-1][1] <= 12.0


@pytest.mark.parametrize("voice", VOICES)
def test_the_detector_hears_speech_in_phrases_and_none_between(
    voice: VoiceIdentity, engine_set: EngineSet
) -> None:
    spoken, paused = [], []
    for seed in range(3):
        words = draw_utterance(10.0, seed)
        detector = SpeechDetector(engine_set.vad)
        heard = [*detector.push(0, synthesise(words, voice)), *detector.flush()]
        times_s = np.array([(start + end) / 2 / SAMPLE_RATE_HZ for start, end, _ in heard], np.float32)
        probability = np.array([value for _, _, value in heard])
        spoken.append(probability[within_phrases(words, times_s, 0.05)])
        paused.append(probability[~within_phrases(words, times_s, -0.15)])
    assert np.concatenate(spoken).mean() > 0.7
    assert np.concatenate(paused).mean() < 0.2


@pytest.mark.parametrize("voice", VOICES)
def test_loudness_follows_the_lips_that_speak_and_not_those_of_another_utterance(
    voice: VoiceIdentity,
) -> None:
    words, others = draw_utterance(20.0, 1), draw_utterance(20.0, 2)
    energy = log_energy_per_tick(synthesise(words, voice))
    own = np.corrcoef(energy, words.lips_at_frames()[0])[0, 1]
    foreign = np.corrcoef(energy, others.lips_at_frames()[0])[0, 1]
    assert own > 0.6
    assert foreign < 0.3


def test_two_voices_differ_in_pitch() -> None:
    words = draw_utterance(6.0, 3)
    low, high = (pitch_hz(synthesise(words, voice)) for voice in VOICES)
    assert low == pytest.approx(GENUINE_VOICE.pitch_hz, rel=0.15)
    assert high == pytest.approx(CALLER_VOICE.pitch_hz, rel=0.15)
