"""InsightService's advice: explanations and reports; proto ⇄ domain, no decisions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import grpc
from autopay.insight.v1 import insight_pb2, insight_pb2_grpc
from autopay.type.v1 import risk_pb2

from mesh.errors import invalid
from services.insight.advising import Adviser
from services.insight.explanation import Explanation
from services.insight.model import Risk
from services.insight.report_making import ReportMaker
from services.insight.report_model import Period
from services.insight.retracing import Retraced, Retracer

_source = re.compile(r"[a-z0-9_-]{1,40}", re.ASCII).fullmatch
_TX_ID_MAX: Final = 100
_FORMATS: Final[Mapping[int, str]] = {
    insight_pb2.REPORT_FORMAT_UNSPECIFIED: "json",
    insight_pb2.REPORT_FORMAT_JSON: "json",
    insight_pb2.REPORT_FORMAT_MARKDOWN: "md",
    insight_pb2.REPORT_FORMAT_HTML: "html",
    insight_pb2.REPORT_FORMAT_PDF: "pdf",
}

Context = grpc.aio.ServicerContext[Any, Any]


class AdviceServicer(insight_pb2_grpc.InsightServiceServicer):
    """The RPCs that advise people."""

    def __init__(self, adviser: Adviser, retracer: Retracer, maker: ReportMaker) -> None:
        """Explain through `adviser` and `retracer`, report through `maker`."""
        self._adviser = adviser
        self._retracer = retracer
        self._maker = maker

    async def ExplainTransaction(
        self, request: insight_pb2.ExplainTransactionRequest, context: Context
    ) -> insight_pb2.ExplainTransactionResponse:
        """Return a payment's stored risk, the arithmetic of its score, and its explanation."""
        if _source(request.source) is None:
            raise invalid("source", "must be 1 to 40 of a-z, 0-9, _ and -")
        if not 0 < len(request.tx_id) <= _TX_ID_MAX:
            raise invalid("tx_id", f"must be 1 to {_TX_ID_MAX} characters")
        subject, explanation = await self._adviser.advise(request.source, request.tx_id)
        response = insight_pb2.ExplainTransactionResponse(explanation=explanation_message(explanation))
        if subject.risk is not None:
            response.risk.CopyFrom(_risk_message(subject.risk))
        retraced = await self._retracer.retrace(subject)
        if retraced is not None:
            response.arithmetic.CopyFrom(_arithmetic_message(retraced))
            response.features.update({term.feature: term.value for term in retraced.terms})
        return response

    async def GenerateReport(
        self, request: insight_pb2.GenerateReportRequest, context: Context
    ) -> insight_pb2.GenerateReportResponse:
        """Render the report of a period, or return the one stored last."""
        form = _FORMATS.get(request.format)
        if form is None:
            raise invalid("format", "must be one of ReportFormat")
        if request.stored:
            if request.since_ms or request.until_ms:
                raise invalid("stored", "has a period of its own; leave since_ms and until_ms out")
            document = await self._maker.latest(form)
        else:
            document = await self._maker.make(Period(since_ms=request.since_ms, until_ms=request.until_ms), form)
        return insight_pb2.GenerateReportResponse(content=document.content, media_type=document.media_type)


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


def _arithmetic_message(retraced: Retraced) -> insight_pb2.Arithmetic:
    return insight_pb2.Arithmetic(
        basis=insight_pb2.ArithmeticBasis.Name(retraced.basis),
        model_version=retraced.scorecard.version,
        base=retraced.scorecard.weights[-1],
        terms=[
            insight_pb2.ArithmeticTerm(
                feature=term.feature, reason=term.reason, value=term.value, weight=term.weight, points=term.points
            )
            for term in retraced.terms
        ],
        points=retraced.points,
        score=retraced.score,
    )


def _risk_message(risk: Risk) -> risk_pb2.Risk:
    return risk_pb2.Risk(
        score=risk.score,
        level=risk_pb2.RiskLevel.Name(risk.level),
        model_version=risk.model_version,
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
