"""What was kept of a call: the transitions of the alert store, and bundles of evidence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from realtime.alerts.reading import read_alerts
from realtime.errors import AlertStoreError, ConfigurationError, EvidenceError
from realtime.evidence.contents import unchanged_files
from realtime.evidence.files import read_files
from realtime.evidence.layout import call_folder
from realtime.evidence.reading import CheckedEvidence, check_path
from realtime.evidence.verify import CheckedBundle
from realtime.server.wire import AlertDraft

#: A call's name may come again. Transitions whose calls began further apart than this are of two calls.
SITTINGS_APART_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """A stored transition.

    Attributes:
        message: As on the wire.
        bundle: Its evidence; None where none is kept.
        word: What the operator said of it, as stored; None for nothing.
    """

    message: AlertDraft
    bundle: CheckedBundle | None = None
    word: str | None = None

    @property
    def began_s(self) -> float:
        """Wall-clock time at which call time was zero, seconds since the epoch."""
        return datetime.fromisoformat(self.message.raised_at).timestamp() - self.message.time_s


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRecords:
    """Everything that is known of one sitting of a call.

    Attributes:
        call: The call.
        began_at: When it began.
        transitions: In the order of the call.
        sittings: How many of this name are known.
        store: Whether the alert store could be read.
        evidence: What verification of the evidence folder said; None where none was named.
        nameless: Bundles of the call whose participant cannot be told because they were changed.
    """

    call: str
    began_at: datetime
    transitions: tuple[Transition, ...]
    sittings: int
    store: bool
    evidence: CheckedEvidence | None
    nameless: tuple[CheckedBundle, ...]


def read_call(call: str, *, store: Path, evidence: Path | None, begun: str | None = None) -> CallRecords:
    """Collect what was kept of the newest sitting of a call, or of another one.

    Args:
        call: The call.
        store: The alert store. Where evidence is named, it may be in use, or not be there.
        evidence: An evidence folder; None for none.
        begun: When the sitting began in RFC 3339, or the start of that (2026-03-01); None for the newest.

    Raises:
        ConfigurationError: The call, or a sitting that began then, is not known.
        AlertStoreError: The store cannot be read, and no evidence is named.
        EvidenceError: The evidence cannot be read.
    """
    checked = None if evidence is None else check_path(evidence)
    if checked is not None and checked.path.is_file():
        raise EvidenceError(f"{evidence} is packed.", fix="Unpack it, or name the evidence folder.")
    stored: list[Transition] = []
    store_read = True
    try:
        stored = list(_stored(store))
    except AlertStoreError:
        if checked is None:
            raise
        store_read = False
    transitions = _joined(stored, () if checked is None else checked.bundles)
    own = [transition for transition in transitions if transition.message.call == call]
    nameless = tuple(_nameless(call, checked))
    if not own and not nameless:
        raise _unknown(call, {transition.message.call for transition in transitions})
    sittings = _sittings(own)
    wanted = [sitting for sitting in sittings if begun is None or _began_at(sitting).startswith(begun)]
    if not wanted and (begun is not None or sittings):
        raise ConfigurationError(
            "No sitting of the call began then.",
            fix=f"Known ones: {', '.join(_began_at(sitting) for sitting in sittings) or 'none'}.",
        )
    newest = wanted[-1] if wanted else []
    return CallRecords(
        call=call,
        began_at=datetime.fromtimestamp(newest[0].began_s if newest else 0.0, UTC),
        transitions=tuple(sorted(newest, key=lambda transition: transition.message.time_s)),
        sittings=len(sittings),
        store=store_read,
        evidence=checked,
        nameless=nameless,
    )


def bundle_contents(evidence: CheckedEvidence, bundle: CheckedBundle) -> dict[str, bytes]:
    """Return the files of a bundle that are as its manifest says; what was changed is left out."""
    root = evidence.path
    places = (root / bundle.name, root, root.parent / bundle.name)
    place = next(
        (place for place in places if place.is_dir() and place.name == bundle.name.rpartition("/")[2]), None
    )
    if place is None or bundle.manifest is None:
        return {}
    try:
        return unchanged_files(read_files(place), bundle.manifest)
    except OSError:
        return {}


def _stored(store: Path) -> Iterator[Transition]:
    alerts, words = read_alerts(store)
    for alert in alerts:
        try:
            message = AlertDraft.model_validate_json(alert.record.body)
        except ValidationError:
            continue
        yield Transition(message=message, word=words.get(alert.seq))


def _joined(stored: Sequence[Transition], bundles: Iterable[CheckedBundle]) -> list[Transition]:
    """Put evidence to the transitions that it belongs to; evidence of others brings its own."""
    by_key = {_key(transition.message): transition for transition in stored}
    for bundle in bundles:
        if bundle.record is None:
            continue
        try:
            message = AlertDraft.model_validate(bundle.record.alert)
        except ValidationError:
            continue
        known = by_key.get(_key(message))
        word = None if known is None else known.word
        by_key[_key(message)] = Transition(message=message, bundle=bundle, word=word)
    return list(by_key.values())


def _key(message: AlertDraft) -> tuple[str, str, str, float, str]:
    return message.call, message.participant, message.raised_at, message.time_s, message.state


def _nameless(call: str, checked: CheckedEvidence | None) -> Iterable[CheckedBundle]:
    for bundle in () if checked is None else checked.bundles:
        if bundle.record is None and bundle.name.rpartition("/")[0] == call_folder(call):
            yield bundle


def _sittings(transitions: Sequence[Transition]) -> list[list[Transition]]:
    """Divide the transitions of a name into calls, oldest first."""
    sittings: list[list[Transition]] = []
    for transition in sorted(transitions, key=lambda one: one.began_s):
        if sittings and transition.began_s - sittings[-1][-1].began_s <= SITTINGS_APART_S:
            sittings[-1].append(transition)
        else:
            sittings.append([transition])
    return sittings


def _began_at(sitting: Sequence[Transition]) -> str:
    return datetime.fromtimestamp(sitting[0].began_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _unknown(call: str, known: set[str]) -> ConfigurationError:
    names = ", ".join(sorted(known))
    return ConfigurationError(
        f"Nothing is kept of a call {call!r}.",
        fix=f"Known calls: {names}." if names else "Nothing is kept of any call; no alert was raised.",
    )
