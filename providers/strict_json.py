"""JSON as money needs it: numbers stay as written, and what two parsers could read differently is refused."""

from __future__ import annotations

import json
from typing import Final


class NumberToken(str):
    """A JSON number exactly as it was written; its type tells it from a JSON string."""

    __slots__ = ()


class MalformedError(ValueError):
    """Not one strict JSON value; the text says why and never repeats content."""


def parse_exact(body: bytes) -> object:
    """Parse UTF-8 JSON, each number as a NumberToken.

    Raises:
        MalformedError: not UTF-8, not JSON, a key twice in an object, NaN or Infinity, or nested too deeply.
    """
    return _parse(body, _EXACT)


def parse_floats(body: bytes) -> object:
    """Parse UTF-8 JSON with numbers as int and float, as RFC 8785 sees them.

    Raises:
        MalformedError: as for `parse_exact`.
    """
    return _parse(body, _FLOATS)


def is_within_depth(value: object, depth_max: int) -> bool:
    """Tell whether objects and arrays nest at most `depth_max` deep; `{}` alone is 1 deep."""
    depth = 0
    containers = [value] if isinstance(value, (dict, list)) else []
    while containers:
        depth += 1
        if depth > depth_max:
            return False
        containers = [
            child
            for container in containers
            for child in (container.values() if isinstance(container, dict) else container)
            if isinstance(child, (dict, list))
        ]
    return True


def _parse(body: bytes, decoder: json.JSONDecoder) -> object:
    try:
        value: object = decoder.decode(body.decode())
    except MalformedError:
        raise
    except UnicodeDecodeError:
        raise MalformedError("must be UTF-8") from None
    except RecursionError:
        raise MalformedError("is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise MalformedError(f"must be JSON; it is not at character {error.pos}") from None
    except ValueError:
        # Python's own limit on the digits of an int.
        raise MalformedError("holds a number with too many digits") from None
    return value


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    built = dict(pairs)
    if len(built) != len(pairs):
        raise MalformedError("holds a key twice in one object")
    return built


def _not_a_number(_name: str) -> object:
    raise MalformedError("holds NaN or Infinity, which JSON does not have")


_EXACT: Final = json.JSONDecoder(
    object_pairs_hook=_unique, parse_float=NumberToken, parse_int=NumberToken, parse_constant=_not_a_number
)
_FLOATS: Final = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_not_a_number)
