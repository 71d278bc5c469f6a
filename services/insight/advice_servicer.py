"""InsightService's advice: explanations and reports; proto ⇄ domain, no decisions."""

from __future__ import annotations

import re
from typing import Any, Final

import grpc
from autopay.insight.v1 import insight_pb2, insight_pb2_grpc
from autopay.type.v1 import risk_pb2

from mesh.errors import invalid
from services.insight.advising import Adviser
from services.insight.explanation import Explanation
from services.insight.model import Risk

_source = re.compile(r"[a-z0-9_-]{1,40}", re.ASCII).fullmatch
_TX_ID_MAX: Final = 100

Context = grpc.aio.ServicerContext[Any, Any]


class AdviceServicer(insight_pb2_grpc.InsightServiceServicer):
    """The RPCs that advise people."""

    def __init__(self, adviser: Adviser) -> None:
        """Explain through `adviser`."""
        self._adviser = adviser

    async def ExplainTransaction(
        self, request: insight_pb2.ExplainTransactionRequest, context: Context
    ) -> insight_pb2.ExplainTransactionResponse:
        """Return a payment's stored risk and its explanation."""
        if _source(request.source) is None:
            raise invalid("source", "must be 1 to 40 of a-z, 0-9, _ and -")
        if not 0 < len(request.tx_id) <= _TX_ID_MAX:
            raise invalid("tx_id", f"must be 1 to {_TX_ID_MAX} characters")
        subject, explanation = await self._adviser.advise(request.source, request.tx_id)
        response = insight_pb2.ExplainTransactionResponse(explanation=explanation_message(explanation))
        if subject.risk is not None:
            response.risk.CopyFrom(_risk_message(subject.risk))
        return response


def explanation_message(explanation: Explanation) -> insight_pb2.Explanation:
    """Return an explanation as its message."""
    return insight_pb2.Explanation(
        source=explanation.source,
        summary=explanation.summary,
        category=explanation.category,
        anomaly_assessment=explanation.anomaly_assessment,
        recommended_action=explanation.recommended_action,
        confidence=explanation.confidence,
        model_version=explanation.model_version,
    )


def _risk_message(risk: Risk) -> risk_pb2.Risk:
    return risk_pb2.Risk(
        score=risk.score,
        level=risk_pb2.RiskLevel.Name(risk.level),
        reasons=[
            risk_pb2.RiskReason(
                code=reason.code,
                sentence=reason.sentence,
                contribution=reason.contribution,
                evidence=reason.evidence,
            )
            for reason in risk.reasons
        ],
    )
