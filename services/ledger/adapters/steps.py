"""The ledger's migrations, in order. How to add one: docs/mongodb.md."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Final

from services.ledger.adapters import indexes, validators
from services.ledger.adapters.migrations import Step
from services.ledger.adapters.retention import Retention

_DIGEST_DIGITS: Final = 8


def steps(*, retention: Retention) -> Sequence[Step]:
    """Return every step that there is."""
    return (
        Step(name=_versioned("validators", validators.VALIDATORS), run=validators.put_in_place),
        Step(name="indexes", run=indexes.ensure, missing=indexes.missing),
        Step(name="retention", run=retention.apply, missing=retention.differs, required=False),
    )


def _versioned(name: str, content: object) -> str:
    """Return a name that changes with what the step puts in place.

    A replica of the version before, started in the middle of a rollout, finds its own step done and leaves alone what
    the new version put there.
    """
    text = json.dumps(content, sort_keys=True)
    return f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:_DIGEST_DIGITS]}"
