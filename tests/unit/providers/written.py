"""JSON as services write it: compact, with every field that is there."""

from __future__ import annotations

import json


def written(fields: object) -> bytes:
    """The bytes of a body."""
    return json.dumps(fields, separators=(",", ":")).encode()
