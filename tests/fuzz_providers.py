"""Lets atheris, which learns what code its inputs reach, search every provider for an exception.

Run it with libFuzzer's options, for example `python -m tests.fuzz_providers -runs=100000`.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["providers"]):
    from providers import registry

    registry.load()

from tests.conformance import vectors
from tests.provider_fuzzing import judged, request_of

FILES = [vectors.load(name) for name in vectors.names()]


class FuzzedChance:
    """Decisions read from the fuzzer's bytes; where those end, the first possibility."""

    def __init__(self, data: bytes) -> None:
        """Read from the bytes."""
        self._provider = atheris.FuzzedDataProvider(data)

    def below(self, limit: int) -> int:
        """Return a number from 0 to below the limit."""
        return int(self._provider.ConsumeIntInRange(0, limit - 1))

    def data(self, most: int) -> bytes:
        """Return some bytes."""
        return bytes(self._provider.ConsumeBytes(self.below(most + 1)))


def once(data: bytes) -> None:
    """Judge the one request that the bytes stand for."""
    chance = FuzzedChance(data)
    file = FILES[chance.below(len(FILES))]
    judged(file, request_of(file, chance))


if __name__ == "__main__":
    atheris.Setup(sys.argv, once)
    atheris.Fuzz()
