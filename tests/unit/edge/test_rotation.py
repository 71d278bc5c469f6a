"""Secrets in a directory: read as a whole, replaced while the edge serves, and never half."""

from __future__ import annotations

import hashlib
import hmac
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from edge import secret_files
from edge.settings import EdgeSettings
from edge.sources import load
from providers import registry
from providers.contract import Provider, Secret
from tests.fakes.acme import Acme
from tests.secret_mounts import mount, write
from tests.unit.edge.rig import Edge, running_edge

PROVIDERS: Mapping[str, Provider] = {**registry.load(), "acme": Acme()}


def found(directory: Path) -> dict[str, dict[str, str]]:
    """Return the secrets' values by source and key id."""
    return {
        source: {each.key_id: each.value for each in given} for source, given in secret_files.read(directory).items()
    }


def serving(directory: Path, **settings: Any) -> Any:
    """Run an edge with a directory of secrets."""
    values = {"hmac_secret_key": "", "secrets_dir": directory, **settings}
    return running_edge(providers=PROVIDERS, **values)


async def status(edge: Edge, secret: str) -> int:
    """Deliver to acme with a secret."""
    signature = hmac.new(secret.encode(), b"{}", hashlib.sha256).hexdigest()
    return (await edge.deliver(b"{}", path="/webhooks/acme", headers={"X-Acme-Signature": signature})).status


def test_files_are_the_secrets_and_their_names_the_key_ids(tmp_path: Path) -> None:
    """A newline at the end is no part of it; what begins with a dot is not looked at."""
    write(
        tmp_path, {"acme/2026-01": "one\n", "acme/b.2": " two ", "stripe/x": "three", ".git/x": "no", "acme/.swp": ""}
    )
    assert found(tmp_path) == {"acme": {"2026-01": "one", "b.2": "two"}, "stripe": {"x": "three"}}


def test_a_mounted_secret_is_read_as_of_one_moment(tmp_path: Path) -> None:
    """Both forms of a mount are understood: one volume of all sources, and a volume for each."""
    whole = mount(tmp_path / "whole", "..2026_1", {"acme/a": "one", "stripe/b": "two"})
    assert found(whole) == {"acme": {"a": "one"}, "stripe": {"b": "two"}}
    each = tmp_path / "each"
    mount(each / "acme", "..2026_1", {"a": "one"})
    mount(each / "stripe", "..2026_1", {"b": "two"})
    assert found(each) == {"acme": {"a": "one"}, "stripe": {"b": "two"}}
    mount(each / "acme", "..2026_2", {"c": "three"})
    assert found(each)["acme"] == {"c": "three"}


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("acme/empty", b""),
        ("acme/blank", b" \n"),
        ("acme/binary", b"\xff\xfe"),
        ("acme/large", b"x" * 8_193),
        ("acme/a b", b"x"),
        ("acme/" + "k" * 64, b"x"),
        ("stray", b"x"),
    ],
)
def test_what_can_be_no_secret_is_named(tmp_path: Path, path: str, content: bytes) -> None:
    """One wrong file makes the whole directory unreadable, and the message names the file."""
    write(tmp_path, {"acme/good": "one"})
    (tmp_path / path).write_bytes(content)
    with pytest.raises(ValueError, match=Path(path).name):
        secret_files.read(tmp_path)


def test_a_dangling_file_is_unreadable_and_a_missing_directory_is_empty(tmp_path: Path) -> None:
    """What is gone fails closed; what can't be read is no reason to forget what was known."""
    assert found(tmp_path / "nowhere") == {}
    write(tmp_path, {"acme/good": "one"})
    (tmp_path / "acme" / "gone").symlink_to(tmp_path / "nothing")
    with pytest.raises(ValueError, match="gone"):
        secret_files.read(tmp_path)


async def test_secrets_are_replaced_while_the_edge_serves(tmp_path: Path) -> None:
    """A key that is added counts at once beside the old one, one that is removed is refused; file names are ids."""
    write(tmp_path, {"acme/old": "one"})
    async with serving(tmp_path) as edge:
        await edge.rotation.look()
        assert [await status(edge, each) for each in ("one", "two")] == [200, 403]
        write(tmp_path, {"acme/new": "two"})
        await edge.rotation.look()
        assert [await status(edge, each) for each in ("one", "two")] == [200, 200]
        (tmp_path / "acme" / "old").unlink()
        await edge.rotation.look()
        assert [await status(edge, each) for each in ("one", "two")] == [403, 200]
        assert [delivery.key_id for delivery in edge.ingest.deliveries] == ["old", "old", "new", "new"]
        lines = [line for line in edge.lines() if line["event"] == "secrets changed"]
    assert [(line["active"], line["gone"]) for line in lines] == [(["new", "old"], []), (["new"], ["old"])]


async def test_a_source_without_secrets_is_off_until_it_has_one(tmp_path: Path) -> None:
    """Deleted secrets fail closed, the directory as a whole too; and no restart is needed to be on again."""
    write(tmp_path, {"acme/a": "one"})
    async with serving(tmp_path) as edge:
        (tmp_path / "acme" / "a").unlink()
        await edge.rotation.look()
        assert await status(edge, "one") == 404
        write(tmp_path, {"acme/a": "one"})
        await edge.rotation.look()
        assert await status(edge, "one") == 200
        shutil.rmtree(tmp_path)
        await edge.rotation.look()
        assert await status(edge, "one") == 404


async def test_what_can_not_be_read_leaves_the_last_good_set(tmp_path: Path) -> None:
    """All or nothing: beside an unreadable file nothing changes, which is logged once, measured, and ends with it."""
    write(tmp_path, {"acme/a": "one"})
    async with serving(tmp_path) as edge:
        write(tmp_path, {"acme/b": "two", "acme/c": ""})
        for _ in range(3):
            await edge.rotation.look()
        assert [await status(edge, each) for each in ("one", "two")] == [200, 403]
        complaints = [line for line in edge.lines() if line["event"] == "goes on with the secrets it has"]
        assert [line["level"] for line in complaints] == ["error"]
        assert str(tmp_path / "acme" / "c") in complaints[0]["error_message"]
        assert b"webhook_secrets_stale 1.0" in (await edge.send("GET", "/metrics", port=edge.admin_port)).body
        write(tmp_path, {"acme/c": "three"})
        await edge.rotation.look()
        assert [await status(edge, each) for each in ("one", "two", "three")] == [200, 200, 200]
        assert b"webhook_secrets_stale 0.0" in (await edge.send("GET", "/metrics", port=edge.admin_port)).body


async def test_a_secret_of_another_source_is_not_taken_over(tmp_path: Path) -> None:
    """A change that gives two sources one secret is refused as a whole."""
    write(tmp_path, {"acme/a": "one", "autopay/a": "two"})
    async with serving(tmp_path) as edge:
        write(tmp_path, {"acme/b": "two"})
        await edge.rotation.look()
        assert [await status(edge, each) for each in ("one", "two")] == [200, 403]


async def test_a_directory_of_no_source_verifies_nothing_and_is_told(tmp_path: Path) -> None:
    """A Secret that comes before its source stops nobody else's rotation."""
    write(tmp_path, {"acme/a": "one", "tomorrow/a": "two"})
    async with serving(tmp_path) as edge:
        await edge.rotation.look()
        assert await status(edge, "one") == 200
        [line] = [line for line in edge.lines() if line["event"] == "secrets of no source"]
    assert line["directories"] == ["tomorrow"]


async def test_an_unchanged_directory_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look costs a stat of each file; only a change costs a reading. The same size and name are a change, too."""
    write(tmp_path, {"acme/a": "one"})
    readings: list[Path] = []
    async with serving(tmp_path) as edge:
        read = secret_files.read

        def counting(directory: Path) -> Mapping[str, Sequence[Secret]]:
            readings.append(directory)
            return read(directory)

        monkeypatch.setattr(secret_files, "read", counting)
        for _ in range(3):
            await edge.rotation.look()
        assert len(readings) == 1
        write(tmp_path, {"acme/a": "two"})
        os.utime(tmp_path / "acme" / "a", (1, 1))
        await edge.rotation.look()
        assert len(readings) == 2
        assert await status(edge, "two") == 200


def test_environment_and_directory_add_up(tmp_path: Path) -> None:
    """A source may have secrets of both; the same value twice is one secret."""
    write(tmp_path, {"acme/a": "one", "acme/b": "two"})
    settings = EdgeSettings.load(secrets_dir=tmp_path, webhook_secrets={"ACME": "two,three"}, hmac_secret_key="")
    loaded, _ = load(settings, PROVIDERS)
    assert sorted(each.value for each in loaded["acme"].secrets) == ["one", "three", "two"]


def test_a_directory_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    """A wrong path is a wrong setting, and not an edge without sources."""
    with pytest.raises(ValueError, match="EDGE_SECRETS_DIR"):
        load(EdgeSettings.load(secrets_dir=tmp_path / "nowhere"), PROVIDERS)
