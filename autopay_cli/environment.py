"""The environment that `autopay up` gives to its processes: its own, over what `.env` adds."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from autopay_cli.failure import Failure


def load(dotenv: Path = Path(".env")) -> dict[str, str]:
    """Return the process's environment, and from `dotenv` the variables that it doesn't have.

    Raises:
        Failure: the file can't be read.
    """
    if not dotenv.is_file():
        return dict(os.environ)
    from dotenv import dotenv_values

    try:
        added = dotenv_values(dotenv, encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(f"can't read {dotenv}: {error}.") from error
    return {**{name: value for name, value in added.items() if value is not None}, **os.environ}


def value_of(name: str, environment: Mapping[str, str]) -> str:
    """Return a variable, or the content of the file that `<name>_FILE` names; "" where neither is set.

    Raises:
        Failure: the file can't be read.
    """
    if value := environment.get(name):
        return value
    path = environment.get(f"{name}_FILE")
    if not path:
        return ""
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(f"can't read the file that {name}_FILE names: {error}.") from error
