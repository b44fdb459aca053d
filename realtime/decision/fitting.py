"""Makes a calibration from genuine windows alone; deterministic."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from realtime.decision.baseline import Age, OwnBaseline, SpeakerPrior
from realtime.decision.blocks import Block, BlockBuilder, BlockRule
from realtime.decision.calibration import Calibration, ChannelCalibration, LevelReference, Material
from realtime.decision.conformal import Reference
from realtime.decision.discount import discount
from realtime.decision.observation import Observation
from realtime.decision.quality import Level, poorest
from realtime.errors import CalibrationError
from realtime.timebase import NS_PER_S
from realtime.types import Modality

#: Least material behind a stratum.
MIN_SPEAKERS = 5
MIN_BLOCKS = 30
#: Drops by about so many standard deviations are bet on. The steeper the bet, the more the lowest genuine
#: values decide what a low one pays, and the less it adds up that somebody is always a little low, which with
#: lips and voice is how people differ. Genuine faces are all alike, there is no lowest one to hold on to.
TILT_SD = {Modality.INTRA: 1.5, Modality.CROSS: 2.5}
#: People's means and one person's blocks vary by so much at least, as standard deviations. That the faces of
#: the material are all alike does not show that everybody is like them.
LEAST_VARIATION = {Modality.INTRA: 0.07, Modality.CROSS: 0.0}
#: Smaller differences are not bet on, however rare they are.
MIN_SPREAD = 0.1
#: Poorer media that leave less of the evidence than this, where better media alone leave more, are given up.
USEFUL_DISCOUNT = 0.5
#: What a detection usually takes: over so many blocks the evidence of genuine ones must not add up.
HORIZON_BLOCKS = 8
#: Each speaker is tested against all the others, or against those of the other parts of so many.
MAX_FOLDS = 20
#: Values are kept to so many decimals.
DECIMALS = 4

Clip = Sequence[Observation]
_Blocks = list[list[Block]]
_Deviation = tuple[Level, Age, float]


def fit(
    speakers: Sequence[Sequence[Clip]],
    *,
    rule: BlockRule,
    description: str,
    engine_ids: Mapping[str, str],
    configuration_sha256: str,
) -> Calibration:
    """Make a calibration.

    Args:
        speakers: For every speaker the clips, each with its observations in order; both channels together.
        rule: Blocks to form.
        description: What the material is, in words.
        engine_ids: Engines that the values come from, by role.
        configuration_sha256: Digest of the configuration that produced the values.

    Raises:
        CalibrationError: If no channel has enough material.
    """
    channels: dict[Modality, ChannelCalibration] = {}
    refusals: list[CalibrationError] = []
    for channel in Modality:
        try:
            channels[channel] = _fit_channel(channel, _blocks(channel, speakers, rule))
        except CalibrationError as refusal:
            refusals.append(refusal)
    if not channels:
        raise refusals[-1]
    windows = {
        (s, c, each.window_index)
        for s, clips in enumerate(speakers)
        for c, clip in enumerate(clips)
        for each in clip
    }
    return Calibration(
        rule=rule,
        channels=channels,
        material=Material(
            description=description,
            speakers=sum(any(clips) for clips in speakers),
            clips=sum(bool(clip) for clips in speakers for clip in clips),
            minutes=round(len(windows) * rule.hop_ns / (60 * NS_PER_S), 2),
        ),
        engine_ids=dict(engine_ids),
        configuration_sha256=configuration_sha256,
    )


def _blocks(channel: Modality, speakers: Sequence[Sequence[Clip]], rule: BlockRule) -> list[_Blocks]:
    people: list[_Blocks] = []
    for clips in speakers:
        person: _Blocks = []
        for clip in clips:
            builder = BlockBuilder(channel, rule)
            built = (builder.add(each) for each in clip if each.channel is channel)
            person.append([block for block in built if block is not None])
        if any(person):
            people.append([blocks for blocks in person if blocks])
    return people


def _fit_channel(channel: Modality, people: list[_Blocks]) -> ChannelCalibration:
    """Fit to media of every quality, or to the better ones alone where people of the poorer look like fakes.

    Raises:
        CalibrationError: If not even the best will do, or there is too little of it; the first reason.
    """
    fits: list[ChannelCalibration] = []
    refusals: list[CalibrationError] = []
    for least in Level:
        try:
            fits.append(_fit_qualities(channel, _at_least(least, people)))
        except CalibrationError as refusal:
            refusals.append(refusal)
        else:
            if fits[-1].discount >= USEFUL_DISCOUNT:
                return fits[-1]
    if not fits:
        raise refusals[0]
    return max(fits, key=lambda each: each.discount)


def _at_least(least: Level, people: list[_Blocks]) -> list[_Blocks]:
    kept = [[[block for block in clip if block.level >= least] for clip in person] for person in people]
    return [[clip for clip in person if clip] for person in kept if any(person)]


def _fit_qualities(channel: Modality, people: list[_Blocks]) -> ChannelCalibration:
    """Fit, then test every speaker against others as a call would be, for the discount."""
    fitted = _fit_strata(channel, people)
    sums: list[np.ndarray] = []
    folds = min(MAX_FOLDS, len(people))
    for fold in range(folds):
        try:
            others = _fit_strata(channel, [each for k, each in enumerate(people) if k % folds != fold])
        except CalibrationError:
            continue
        for person in people[fold::folds]:
            runs = [_evidence(call, others) for call in _calls(person)]
            long = [run for run in runs if len(run) >= HORIZON_BLOCKS]
            if long:
                sums.append(
                    np.concatenate([np.convolve(run, np.ones(HORIZON_BLOCKS), "valid") for run in long])
                )
    if len(sums) < MIN_SPEAKERS:
        raise _too_little(
            channel, f"fewer than {MIN_SPEAKERS} speakers have {HORIZON_BLOCKS} blocks in a row"
        )
    return ChannelCalibration(
        prior=fitted.prior, discount=discount(sums), levels=fitted.levels, strata=fitted.strata
    )


def _fit_strata(channel: Modality, people: list[_Blocks]) -> ChannelCalibration:
    levels = _levels(people)
    prior = _prior(people, levels, LEAST_VARIATION[channel])
    values: dict[tuple[Level, Age], list[tuple[float, ...]]] = {}
    for person in people:
        own: dict[tuple[Level, Age], list[float]] = {}
        for call in _calls(person):
            for level, age, value in _deviations(call, levels, prior):
                own.setdefault((level, age), []).append(round(value, DECIMALS))
        for key, found in own.items():
            values.setdefault(key, []).append(tuple(sorted(found)))
    strata = {
        key: Reference(tilt=_tilt(channel, found), speakers=tuple(found))
        for key, found in sorted(values.items())
        if len(found) >= MIN_SPEAKERS and sum(map(len, found)) >= MIN_BLOCKS
    }
    kept = {level: each for level, each in levels.items() if (level, Age.COLD) in strata}
    if not kept:
        raise _too_little(
            channel, f"fewer than {MIN_SPEAKERS} speakers or {MIN_BLOCKS} blocks of one quality"
        )
    return ChannelCalibration(
        prior=prior,
        discount=1.0,
        levels=kept,
        strata={key: reference for key, reference in strata.items() if key[0] in kept},
    )


_NO_BASELINE = SpeakerPrior(between_variance=0.0, within_variance=0.0)


def _calls(person: _Blocks) -> list[list[Block]]:
    """Every clip as a call of its own, and all of them as a long one."""
    joined = [block for clip in person for block in clip]
    return [*person, joined] if len(person) > 1 else [joined]


def _levels(people: list[_Blocks]) -> dict[Level, LevelReference]:
    levels: dict[Level, LevelReference] = {}
    for level in Level:
        own = [[block for clip in person for block in clip if block.level is level] for person in people]
        own = [blocks for blocks in own if blocks]
        if own:
            means = [float(np.mean([block.value for block in blocks])) for blocks in own]
            levels[level] = LevelReference(
                mean=round(float(np.mean(means)), DECIMALS),
                poorest=poorest(block.factors for blocks in own for block in blocks),
            )
    return levels


def _prior(
    people: list[_Blocks], levels: Mapping[Level, LevelReference], least_variation: float
) -> SpeakerPrior:
    """Estimate the variances of the one-way random effects model by the method of moments."""
    own = [
        np.array([block.value - levels[block.level].mean for clip in person for block in clip])
        for person in people
    ]
    repeated = [values for values in own if len(values) > 1]
    if len(repeated) < 2:
        return _NO_BASELINE
    within = float(np.mean([np.var(values, ddof=1) for values in repeated]))
    means = [float(np.mean(values)) for values in repeated]
    noise = float(np.mean([within / len(values) for values in repeated]))
    between = max(0.0, float(np.var(means, ddof=1)) - noise)
    least = least_variation**2
    return SpeakerPrior(between_variance=max(least, between), within_variance=max(least, within))


def _deviations(
    call: list[Block], levels: Mapping[Level, LevelReference], prior: SpeakerPrior
) -> list[_Deviation]:
    baseline = OwnBaseline(prior)
    found: list[_Deviation] = []
    for block in call:
        if block.level not in levels:
            continue
        deviation = block.value - levels[block.level].mean
        found.append((block.level, baseline.age, deviation - baseline.offset))
        baseline.learn(deviation)
    return found


def _tilt(channel: Modality, speakers: list[tuple[float, ...]]) -> float:
    spread = math.sqrt(float(np.mean([np.mean(np.square(values)) for values in speakers])))
    return round(TILT_SD[channel] / max(spread, MIN_SPREAD), DECIMALS)


def _evidence(call: list[Block], calibration: ChannelCalibration) -> np.ndarray:
    evidence: list[float] = []
    for level, age, value in _deviations(call, calibration.levels, calibration.prior):
        reference = calibration.reference(level, age)
        if reference is not None:
            evidence.append(reference.log_e_value(value))
    return np.array(evidence)


def _too_little(channel: Modality, what: str) -> CalibrationError:
    return CalibrationError(
        f"There is too little genuine material to calibrate the {channel} channel: {what}.",
        fix="Add longer recordings of more people.",
    )
