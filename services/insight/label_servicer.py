"""InsightService's labels: proto ⇄ domain, no decisions."""

from __future__ import annotations

import re
from typing import Any, Final

import grpc
from autopay.insight.v1 import insight_pb2, insight_pb2_grpc

from mesh.errors import invalid
from services.insight.labelling import Labeller
from services.insight.labels import Label, verdict_of

_name = re.compile(r"[a-z0-9_-]{1,40}", re.ASCII).fullmatch
_NAME_RULE: Final = "must be 1 to 40 of a-z, 0-9, _ and -"
_TX_ID_MAX: Final = 100
_AUTHOR_MAX: Final = 100
_LABELS: Final = {int(label): label for label in Label}

Context = grpc.aio.ServicerContext[Any, Any]


class LabelServicer(insight_pb2_grpc.InsightServiceServicer):
    """The RPCs about what payments turned out to be."""

    def __init__(self, labeller: Labeller) -> None:
        """Record through `labeller`."""
        self._labeller = labeller

    async def RecordLabel(
        self, request: insight_pb2.RecordLabelRequest, context: Context
    ) -> insight_pb2.RecordLabelResponse:
        """Set one source's label of a payment."""
        _check_payment(request.source, request.tx_id)
        label = _LABELS.get(request.label)
        if label is None:
            raise invalid("label", "must be one of LABEL_FRAUD, LABEL_LEGITIMATE and LABEL_UNSURE")
        if _name(request.label_source) is None:
            raise invalid("label_source", _NAME_RULE)
        if len(request.author) > _AUTHOR_MAX or "\0" in request.author:
            raise invalid("author", f"must be at most {_AUTHOR_MAX} characters without NUL")
        changed = await self._labeller.record(
            request.source, request.tx_id, request.label_source, label=label, author=request.author
        )
        return insight_pb2.RecordLabelResponse(changed=changed)

    async def GetLabels(self, request: insight_pb2.GetLabelsRequest, context: Context) -> insight_pb2.GetLabelsResponse:
        """Return a payment's labels, and how it counts by them."""
        _check_payment(request.source, request.tx_id)
        labels = await self._labeller.labels(request.source, request.tx_id)
        response = insight_pb2.GetLabelsResponse()
        for name in sorted(labels):
            stated = labels[name]
            response.labels.add(
                label_source=name,
                label=insight_pb2.Label.Name(stated.label),
                author=stated.author,
                recorded_at_ms=stated.at_ms,
            )
        fraud = verdict_of({name: stated.label for name, stated in labels.items()})
        if fraud is not None:
            response.verdict = insight_pb2.LABEL_FRAUD if fraud else insight_pb2.LABEL_LEGITIMATE
        return response


def _check_payment(source: str, tx_id: str) -> None:
    if _name(source) is None:
        raise invalid("source", _NAME_RULE)
    if not 0 < len(tx_id) <= _TX_ID_MAX:
        raise invalid("tx_id", f"must be 1 to {_TX_ID_MAX} characters")
