"""Where values lie that an alert fires on: ranges of expected values are for the alerts that have such a side."""

from __future__ import annotations

from enum import StrEnum

from alerting_assets.alerts.operators import ChangeDirection, Operator


class Side(StrEnum):
    """Where values lie that an alert fires on."""

    ABOVE = "ABOVE"
    BELOW = "BELOW"

    @property
    def sign(self) -> int:
        """What values are multiplied by, so that on every side higher is worse."""
        return 1 if self is Side.ABOVE else -1


_SIDES: dict[Operator, tuple[Side, ...]] = {
    Operator.GREATER_THAN: (Side.ABOVE,),
    Operator.GREATER_THAN_OR_EQUAL: (Side.ABOVE,),
    Operator.LESS_THAN: (Side.BELOW,),
    Operator.LESS_THAN_OR_EQUAL: (Side.BELOW,),
    Operator.NOT_BETWEEN: (Side.BELOW, Side.ABOVE),
}
_CHANGES: dict[ChangeDirection, tuple[Side, ...]] = {
    ChangeDirection.INCREASE: (Side.ABOVE,),
    ChangeDirection.DECREASE: (Side.BELOW,),
    ChangeDirection.EITHER: (Side.BELOW, Side.ABOVE),
}


def watched_sides(operator: Operator, direction: ChangeDirection | None = None) -> tuple[Side, ...]:
    """The sides that an alert watches. None for operators that name values rather than a side (EQUAL, BETWEEN, IN, MATCHES, IS_NULL and
    their negations): no range can say which of those are expected, so they are never held.

    direction: of CHANGES_BY."""
    return _CHANGES[direction] if direction is not None else _SIDES.get(operator, ())
