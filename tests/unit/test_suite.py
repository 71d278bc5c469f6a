"""How the suite itself is run."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.__main__ import worse


@pytest.mark.parametrize(
    ("codes", "whole"),
    [([0, 0], 0), ([0, 5], 0), ([5, 0], 0), ([1, 0], 1), ([0, 1], 1), ([5, 1], 1), ([3, 1], 3), ([5, 5], 5)],
)
def test_a_half_without_tests_is_no_failure(codes: Sequence[int], whole: int) -> None:
    """Either half may have nothing to do with what was asked for; a failure of either is the whole's."""
    assert worse(codes) == whole
