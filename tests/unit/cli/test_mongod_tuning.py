"""What a mongod of ours may take, and how it is told."""

from pathlib import Path

import pytest

from autopay_cli import mongod_tuning

GIB = 2**30


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine of 16 GiB, and where a container's limit would stand."""
    sizes = {"SC_PHYS_PAGES": 4 * 2**20, "SC_PAGE_SIZE": 4_096}
    monkeypatch.setattr("autopay_cli.mongod_tuning.os.sysconf", sizes.__getitem__)
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(mongod_tuning, "_CONTAINER_LIMIT", limit)
    return limit


@pytest.mark.usefixtures("machine")
def test_one_member_may_take_a_quarter_of_the_machine() -> None:
    """Half, mongod's own default, would leave too little for everything else."""
    assert mongod_tuning.cache_gib() == 4


@pytest.mark.usefixtures("machine")
def test_three_members_take_no_more_together_than_one() -> None:
    """The cache is shared by the members."""
    assert mongod_tuning.cache_gib(members=3) == pytest.approx(4 / 3, abs=0.01)


@pytest.mark.parametrize(
    ("limit", "gib"), [("max\n", 4), (f"{8 * GIB}\n", 2), (f"{64 * GIB}\n", 4), (f"{GIB // 2}\n", 0.25)]
)
def test_what_a_container_may_use_counts_where_it_is_less(machine: Path, limit: str, gib: float) -> None:
    """A limit of "max" is none."""
    machine.write_text(limit)
    assert mongod_tuning.cache_gib() == gib


@pytest.mark.usefixtures("machine")
def test_every_member_gets_the_same_options_with_its_part_of_the_cache() -> None:
    """Nothing but the cache depends on how many there are."""
    alone, one_of_three = mongod_tuning.options(), mongod_tuning.options(members=3)
    assert alone["--wiredTigerCacheSizeGB"] == "4"
    assert one_of_three["--wiredTigerCacheSizeGB"] == "1.33"
    assert alone.keys() == one_of_three.keys()
