"""One connected trace per sampled webhook over all processes, received by a real OTLP receiver."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Sequence

import psutil

from tests.integration.conftest import StartMesh
from tests.mesh_processes import NAMES
from tests.mesh_traffic import fresh_payments, new_tx_id, payment, sending_to
from tests.otlp_receiver import OtlpReceiver, ReceivedSpan, receiving

WEBHOOKS = 50
PROCESSES = {f"autopay-{name}" for name in NAMES}
# A busy machine must not make insight late here: its spans are what is looked for.
PATIENT = {"INGEST_SCORE_BUDGET_MS": "1000", "INSIGHT_LOAD_BUDGET_S": "0.5"}
SOON = {"OTEL_BSP_SCHEDULE_DELAY": "100"}


def traced_to(receiver: OtlpReceiver, **environment: str) -> dict[str, str]:
    """The environment that exports everything sampled to the receiver, soon."""
    return {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint, **SOON, **PATIENT, **environment}


def is_whole(spans: Sequence[ReceivedSpan]) -> bool:
    """Whether every process's spans are here, the root and each parent too: a retried call makes more than one each."""
    known = {span.span_id for span in spans}
    roots = [span for span in spans if not span.parent_id]
    parents = {span.parent_id for span in spans if span.parent_id}
    stored = any(span.name == "store" for span in spans)
    return bool(roots) and parents <= known and stored and {span.process for span in spans} == PROCESSES


def assert_one_tree(spans: Sequence[ReceivedSpan]) -> None:
    """The spans of one trace have one root, at the edge, every other one's parent is there, from each process."""
    by_id = {span.span_id: span for span in spans}
    assert len(by_id) == len(spans), "a span was exported twice"
    [root] = [span for span in spans if not span.parent_id]
    assert root.process == "autopay-edge"
    assert {span.parent_id for span in spans if span is not root} <= set(by_id)
    above = {span.process: by_id[span.parent_id].process for span in spans if span is not root and span.name != "store"}
    assert above == {
        "autopay-ingest": "autopay-edge",
        "autopay-insight": "autopay-ingest",
        "autopay-ledger": "autopay-ingest",
    }
    stores = [span for span in spans if span.name == "store"]
    assert {by_id[span.parent_id].process for span in stores} == {"autopay-ledger"}


def assert_linked_to_commands(spans: Sequence[ReceivedSpan], commands: dict[tuple[str, str], ReceivedSpan]) -> None:
    """Each store span names the database command that served its batch, and the command names the item."""
    items = {span.ids for span in spans if span.process == "autopay-ledger"}
    for store in (span for span in spans if span.name == "store"):
        [command] = [commands[link] for link in store.links]
        assert command.attributes["db.system.name"] == "mongodb"
        assert set(command.links) & items


async def test_each_webhook_is_one_tree_over_all_processes(start_mesh: StartMesh) -> None:
    """Each of 50 webhooks that share batches has one trace of edge, ingest, insight and ledger, linked to commands."""
    async with receiving() as receiver:
        mesh = start_mesh(**traced_to(receiver, OTEL_TRACES_SAMPLER="always_on"))
        bodies = list(fresh_payments(WEBHOOKS).values())
        async with sending_to(mesh) as sender:
            # Ingest stands still for a moment, so that what comes meanwhile leaves the edge as one batch.
            mesh.freeze("ingest")
            sending = asyncio.create_task(sender.send_all(bodies, concurrency=WEBHOOKS))
            await asyncio.sleep(0.5)
            mesh.thaw("ingest")
            replies = await sending
        assert {reply.status for reply in replies} == {200}
        traces = [reply.fields["trace_id"] for reply in replies]
        assert len(set(traces)) == WEBHOOKS

        def complete() -> bool:
            seen = Counter(span.trace_id for span in receiver.spans)
            return all(
                seen[trace_id] >= len(PROCESSES) + 1 and is_whole(receiver.of_trace(trace_id)) for trace_id in traces
            )

        assert await receiver.until(complete), Counter((span.process, span.name) for span in receiver.spans)
        commands = {span.ids: span for span in receiver.spans if "db.operation.batch.size" in span.attributes}
        for trace_id in traces:
            spans = receiver.of_trace(trace_id)
            assert {span.process for span in spans} == PROCESSES
            assert_one_tree(spans)
            assert_linked_to_commands(spans, commands)
        largest = max(commands.values(), key=lambda span: int(span.attributes["db.operation.batch.size"]))
        assert int(largest.attributes["db.operation.batch.size"]) > 1
        assert len(largest.links) > 1


async def test_a_senders_trace_is_linked_not_continued(start_mesh: StartMesh) -> None:
    """A traceparent that the sender gives is named by the edge's span, whose trace is our own."""
    theirs = (secrets.token_hex(16), secrets.token_hex(8))
    headers = {"traceparent": f"00-{theirs[0]}-{theirs[1]}-01"}
    async with receiving() as receiver:
        mesh = start_mesh(**traced_to(receiver, OTEL_TRACES_SAMPLER="always_on"))
        async with sending_to(mesh) as sender:
            reply = await sender.send(payment(new_tx_id()), headers=headers)
        ours = reply.fields["trace_id"]
        assert ours != theirs[0]
        assert await receiver.until(lambda: is_whole(receiver.of_trace(ours)))
        assert not receiver.of_trace(theirs[0])
        assert_one_tree(receiver.of_trace(ours))
        [root] = [span for span in receiver.of_trace(ours) if not span.parent_id]
        assert list(root.links) == [theirs]


async def test_five_percent_are_sampled_by_default(start_mesh: StartMesh) -> None:
    """Where no sampler is named about a twentieth of the traces is exported, each of them whole."""
    async with receiving() as receiver:
        mesh = start_mesh(**traced_to(receiver))
        bodies = list(fresh_payments(1_000).values())
        async with sending_to(mesh) as sender:
            replies = await sender.send_all(bodies, concurrency=32)
        assert {reply.status for reply in replies} == {200}
        # What ends, exports what it has left.
        for name in reversed(NAMES):
            assert await mesh.stop(name) == 0
        sampled = {span.trace_id for span in receiver.spans if span.process == "autopay-edge"}
        assert sampled <= {reply.fields["trace_id"] for reply in replies}
        # 50 expected, and 6.9 the standard deviation.
        assert 15 <= len(sampled) <= 100
        for trace_id in sampled:
            assert_one_tree(receiver.of_trace(trace_id))


async def test_without_an_endpoint_nothing_is_exported(start_mesh: StartMesh) -> None:
    """Where no endpoint is set answers still carry trace ids, no process calls anybody else, and none complains."""
    mesh = start_mesh(OTEL_TRACES_SAMPLER="always_on", **SOON)
    async with sending_to(mesh) as sender:
        replies = await sender.send_all(list(fresh_payments(WEBHOOKS).values()))
    assert {reply.status for reply in replies} == {200}
    assert len({reply.fields["trace_id"] for reply in replies}) == WEBHOOKS
    own = {int(address.rpartition(":")[2]) for address in (*mesh.addresses.values(), mesh.admin)}
    databases = {int(host.rpartition(":")[2]) for host in mesh.mongo_url.split("/")[2].split(",")}
    for name in NAMES:
        connections = mesh.process(name).net_connections(kind="inet")
        listening = {each.laddr.port for each in connections if each.status == psutil.CONN_LISTEN}
        called = {
            each.raddr.port
            for each in connections
            if each.status == psutil.CONN_ESTABLISHED and each.laddr.port not in listening
        }
        assert called <= own | databases
        complaints = [line for line in mesh.log_lines(name) if line.get("level") in {"error", "critical"}]
        assert not complaints
