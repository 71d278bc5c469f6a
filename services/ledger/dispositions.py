"""What a delivery's disposition may become when the same bytes come again, and when a person decides about it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Final

from services.ledger.model import Disposition


class Resolution(IntEnum):
    """How a person ends a delivery's quarantine; numbers of autopay.ledger.v1.Resolution."""

    ACCEPT = 1
    DISMISS = 2
    REDRIVE = 3


_OPEN: Final = frozenset({Disposition.CONFLICT, Disposition.UNPROCESSABLE, Disposition.WAITING, Disposition.IGNORED})
# What bytes seen before turn out to be now may take the place of these; anything else keeps what was said then. What a
# person dismissed stays dismissed until a person says otherwise.
GIVES_WAY: Final[Mapping[Disposition, frozenset[Disposition]]] = {
    Disposition.RECORDED: _OPEN,
    Disposition.DUPLICATE: _OPEN,
    Disposition.CONFLICT: frozenset(
        {
            Disposition.RECORDED,
            Disposition.DUPLICATE,
            Disposition.IGNORED,
            Disposition.UNPROCESSABLE,
            Disposition.WAITING,
        }
    ),
    Disposition.IGNORED: frozenset({Disposition.UNPROCESSABLE, Disposition.WAITING}),
    Disposition.UNPROCESSABLE: frozenset({Disposition.IGNORED, Disposition.WAITING}),
    Disposition.WAITING: frozenset({Disposition.IGNORED, Disposition.UNPROCESSABLE}),
}
ENDS_AS: Final[Mapping[Resolution, Disposition]] = {
    Resolution.ACCEPT: Disposition.RECORDED,
    Resolution.DISMISS: Disposition.DISMISSED,
    Resolution.REDRIVE: Disposition.WAITING,
}
ENDS: Final[Mapping[Resolution, frozenset[Disposition]]] = {
    Resolution.ACCEPT: frozenset({Disposition.CONFLICT}),
    Resolution.DISMISS: frozenset({Disposition.CONFLICT, Disposition.UNPROCESSABLE, Disposition.WAITING}),
    Resolution.REDRIVE: frozenset({Disposition.UNPROCESSABLE, Disposition.IGNORED, Disposition.DISMISSED}),
}
# Where nothing else is asked for, what a person has to look at.
QUARANTINE: Final = frozenset({Disposition.CONFLICT, Disposition.UNPROCESSABLE, Disposition.WAITING})
LISTED: Final = QUARANTINE | {Disposition.IGNORED, Disposition.DISMISSED}
