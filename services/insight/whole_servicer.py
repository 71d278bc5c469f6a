"""InsightService whole: each group of RPCs in a servicer of its own."""

from __future__ import annotations

from mesh.tracing import Tracing
from services.insight.advice_servicer import AdviceServicer
from services.insight.advising import Adviser
from services.insight.export_servicer import ExportServicer
from services.insight.exporting import Exporter
from services.insight.label_servicer import LabelServicer
from services.insight.labelling import Labeller
from services.insight.report_making import ReportMaker
from services.insight.retracing import Retracer
from services.insight.scoring import Scorer
from services.insight.servicer import InsightServicer, Observer


class WholeServicer(AdviceServicer, ExportServicer, LabelServicer, InsightServicer):
    """Every RPC of insight."""

    def __init__(
        self,
        *,
        scorer: Scorer,
        adviser: Adviser,
        retracer: Retracer,
        maker: ReportMaker,
        exporter: Exporter,
        labeller: Labeller,
        tracing: Tracing,
        observer: Observer,
    ) -> None:
        """Serve with these use cases."""
        InsightServicer.__init__(self, scorer, tracing=tracing, observer=observer)
        AdviceServicer.__init__(self, adviser, retracer, maker)
        ExportServicer.__init__(self, exporter)
        LabelServicer.__init__(self, labeller)
