"""JSON log lines: what a line holds, when it is written, and that logging never breaks serving."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from mesh import logs, masking


class Pipe(io.TextIOWrapper):
    """A text stream in memory that counts how often it is flushed."""

    def __init__(self) -> None:
        """Begin empty."""
        self.bytes = CountingBytes()
        super().__init__(self.bytes, encoding="utf-8")

    def lines(self) -> list[dict[str, Any]]:
        """Return the lines written so far."""
        return [json.loads(line) for line in self.bytes.getvalue().splitlines()]


class CountingBytes(io.BytesIO):
    """Bytes that know how many writes made them."""

    writes = 0

    def write(self, data: Any) -> int:
        """Write and count."""
        self.writes += 1
        return super().write(data)


@pytest.fixture(autouse=True)
def root_handlers() -> Iterator[None]:
    """Give the root logger its own handlers and level back."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


@pytest.fixture(autouse=True)
def no_known_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Know no secret: settings that other tests loaded in this process taught masking theirs."""
    monkeypatch.setattr(masking, "_known", set())
    monkeypatch.setattr(masking, "_known_pattern", None)
    masking._masked_again.cache_clear()


@pytest.fixture
def pipe() -> Pipe:
    """A stream to log into."""
    return Pipe()


def test_a_line_is_json_with_time_level_and_process(pipe: Pipe) -> None:
    """Time comes first, in UTC; the event and its fields follow as they were given."""
    logs.configure("edge", "info", pipe).info("webhook", outcome="created", duration_ms=1.25, text="ö\n")
    [line] = pipe.lines()
    assert list(line)[:3] == ["ts", "level", "process"]
    assert abs((datetime.now(UTC) - datetime.fromisoformat(line.pop("ts"))).total_seconds()) < 5
    assert line == {
        "level": "info",
        "process": "edge",
        "event": "webhook",
        "outcome": "created",
        "duration_ms": 1.25,
        "text": "ö\n",
    }


@pytest.mark.parametrize(
    ("level", "written"),
    [
        ("debug", ["debug", "info", "warning", "error"]),
        ("info", ["info", "warning", "error"]),
        ("warning", ["warning", "error"]),
        ("error", ["error"]),
    ],
)
def test_what_is_less_severe_is_not_written(pipe: Pipe, level: str, written: list[str]) -> None:
    """Lines below the configured level cost nothing and appear nowhere."""
    log = logs.configure("edge", level, pipe)
    for each in ("debug", "info", "warning", "error"):
        getattr(log, each)("something")
    assert [line["level"] for line in pipe.lines()] == written


async def test_lines_of_one_turn_are_one_write(pipe: Pipe) -> None:
    """Within a turn of the loop lines are collected, and written once when it turns, in order."""
    log = logs.configure("edge", "info", pipe)
    for number in range(100):
        log.info("webhook", number=number)
    assert pipe.lines() == []
    await asyncio.sleep(0)
    assert [line["number"] for line in pipe.lines()] == list(range(100))
    assert pipe.bytes.writes == 1


async def test_a_flood_is_written_without_waiting_for_the_loop(pipe: Pipe) -> None:
    """Buffered bytes are bounded: a long turn of the loop writes at every hundred thousand."""
    log = logs.configure("edge", "info", pipe)
    for _ in range(30):
        log.info("x" * 10_000)
    assert len(pipe.lines()) >= 20
    await asyncio.sleep(0)
    assert len(pipe.lines()) == 30


def test_without_a_loop_a_line_is_written_at_once(pipe: Pipe) -> None:
    """Before the loop runs, after it ended and in other threads nothing is held back."""
    log = logs.configure("edge", "info", pipe)
    log.info("one")
    assert len(pipe.lines()) == 1
    asyncio.run(_log_from_a_thread(log))
    assert len(pipe.lines()) == 2


async def _log_from_a_thread(log: Any) -> None:
    await asyncio.to_thread(log.info, "two")


def test_libraries_speak_through_the_same_lines(pipe: Pipe) -> None:
    """A warning of aiohttp or pymongo is a line of JSON with its logger and traceback; their INFO is left out."""
    logs.configure("edge", "info", pipe)
    library = logging.getLogger("a.library")
    library.info("chatter")
    try:
        int("what went wrong")
    except ValueError:
        library.exception("failed with %d", 7)
    [line] = pipe.lines()
    assert (line["level"], line["logger"], line["event"]) == ("error", "a.library", "failed with 7")
    assert "ValueError: invalid literal" in line["traceback"]


@pytest.mark.parametrize("value", ["\ud800", 2**70, -(2**70), {"\udfff": 1}, object(), b"\xff", {1: 2}, float("nan")])
def test_any_value_can_be_logged(pipe: Pipe, value: Any) -> None:
    """What JSON or UTF-8 has no form for is written in some readable form; logging never raises."""
    log = logs.configure("edge", "info", pipe)
    log.info("odd", value=value)
    logging.getLogger("a.library").warning("odd: %s", value)
    assert [line["process"] for line in pipe.lines()] == ["edge", "edge"]


def test_a_broken_pipe_stops_nothing() -> None:
    """When nobody reads the log any more, logging goes on without an error."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stream:
        log = logs.configure("edge", "info", stream)
        log.info("read")
        os.close(reading)
        log.info("not read")
        log.info("nor this")
        logs_nowhere(stream)


def logs_nowhere(stream: io.TextIOWrapper) -> None:
    """Point a stream's descriptor at nothing, so that closing it can flush."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


async def test_a_full_disk_stops_nothing() -> None:
    """Where the log can't be written the loop neither fails nor spins on logging its own failure."""
    failures: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: failures.append(context))
    with open("/dev/full", "w", encoding="utf-8") as stream:  # noqa: PTH123, ASYNC230 - a device, opened once
        log = logs.configure("edge", "info", stream)
        log.info("lost")
        await asyncio.sleep(0.01)
        log.info("lost as well")
        await asyncio.sleep(0.01)
        logs_nowhere(stream)
    assert failures == []


def test_a_closed_stream_stops_nothing(pipe: Pipe) -> None:
    """A line after standard output was closed is dropped."""
    log = logs.configure("edge", "info", pipe)
    pipe.close()
    log.info("to nobody")


def test_an_error_is_logged_by_type_and_bounded_text() -> None:
    """An error's fields are its type and at most 500 characters of its text."""
    fields = logs.error_fields(ValueError("x" * 1_000))
    assert fields == {"error": "ValueError", "error_message": "x" * 500}


def test_a_line_writer_writes_what_the_logger_would(pipe: Pipe) -> None:
    """The short way past the logger's proxies leads to the same line, and to none where INFO is off."""
    log = logs.configure("edge", "info", pipe)
    log.info("webhook", outcome="created")
    logs.line_writer(log, "webhook")({"outcome": "created"})
    logs.line_writer(logs.configure("edge", "warning", pipe), "webhook")({"outcome": "created"})
    first, second = pipe.lines()
    assert {**first, "ts": ""} == {**second, "ts": ""}
