"""Which backend builds which role in which precision. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from engines.backends.base import BackendName, Precision
from engines.errors import EngineError
from engines.selection import Selection, describe
from engines.spec import Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """What one role is built by."""

    backend: BackendName
    precision: Precision


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What a user asked for: one value for all roles, and others for single roles.

    Attributes:
        everywhere: For all roles; None where it was left open.
        by_role: For single roles.
    """

    everywhere: str | None
    by_role: Mapping[Role, str]


def parse_choices(values: Iterable[str], allowed: Collection[str]) -> Choices:
    """Read values of the form ``VALUE`` or ``ROLE=VALUE``.

    Args:
        values: As given; a later one wins.
        allowed: What VALUE may be.

    Raises:
        EngineError: If a role or a value is not known.
    """
    everywhere: str | None = None
    by_role: dict[Role, str] = {}
    for text in values:
        left, equals, right = text.partition("=")
        value = right if equals else left
        if value not in allowed:
            raise EngineError(f"There is no {value!r}.", fix=f"Choose among {', '.join(allowed)}.")
        if not equals:
            everywhere = value
        elif left in list(Role):
            by_role[Role(left)] = value
        else:
            raise EngineError(f"There is no role {left!r}.", fix=f"Choose among {', '.join(Role)}.")
    return Choices(everywhere=everywhere, by_role=by_role)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is going to be built.

    Attributes:
        assignments: By role.
        reason: Who builds what and why, as one line for the user.
    """

    assignments: Mapping[Role, Assignment]
    reason: str


def make_plan(
    selection: Selection,
    named: Collection[Role],
    precisions: Mapping[Role, Precision],
    able: Mapping[BackendName, Collection[Precision]],
) -> Plan:
    """Give every role its precision.

    A backend that the user named must be able to do the precision. One that was chosen for a role does it in
    fp32 where it cannot, and the reason says so.

    Args:
        selection: Backends by role, and why.
        named: Roles whose backend the user named.
        precisions: What is wanted.
        able: What each backend can do.

    Raises:
        EngineError: If a named backend cannot do what is wanted.
    """
    assignments: dict[Role, Assignment] = {}
    lowered: list[Role] = []
    for role, backend in selection.backends.items():
        precision = precisions[role]
        if precision not in able[backend]:
            if role in named:
                raise EngineError(
                    f"{backend} does not build {role.value} in {precision}.",
                    fix=f"Add --precision {role.value}={' or '.join(sorted(able[backend]))}.",
                )
            precision = "fp32"
            lowered.append(role)
        assignments[role] = Assignment(backend=backend, precision=precision)
    reason = selection.reason
    if lowered:
        reason += f"; {', '.join(role.value for role in lowered)} in fp32, which is what that backend has"
    return Plan(assignments=assignments, reason=reason)


def with_named_backends(selection: Selection, named: Mapping[Role, BackendName]) -> Selection:
    """Replace the backends of single roles by those that the user named."""
    if not named:
        return selection
    backends = {**selection.backends, **named}
    return Selection(backends=backends, reason=describe(backends))
