"""LedgerService whole: each group of RPCs in a servicer of its own."""

from __future__ import annotations

from typing import Final

from autopay.ledger.v1 import ledger_pb2

from services.ledger.analysing import Analysing
from services.ledger.analysis_servicer import AnalysisServicer
from services.ledger.auditing import Auditor
from services.ledger.custody import Custodian
from services.ledger.custody_servicer import CustodyServicer
from services.ledger.intake import Intake
from services.ledger.quarantine import Quarantine
from services.ledger.quarantine_servicer import QuarantineServicer
from services.ledger.read_servicer import ReadServicer
from services.ledger.reading import Reader
from services.ledger.record_servicer import RecordServicer
from services.ledger.summarizing import Summarizer
from services.ledger.watching import Watching

SERVICE: Final = "autopay.ledger.v1.LedgerService"


class LedgerServicer(ReadServicer, RecordServicer, QuarantineServicer, AnalysisServicer, CustodyServicer):
    """Every RPC of the ledger."""

    def __init__(
        self,
        *,
        intake: Intake,
        reader: Reader,
        summarizer: Summarizer,
        watching: Watching[ledger_pb2.WatchTransactionsResponse],
        quarantine: Quarantine,
        analysing: Analysing,
        custodian: Custodian,
        auditor: Auditor,
    ) -> None:
        """Serve with these use cases."""
        ReadServicer.__init__(self, reader, watching, summarizer, auditor)
        RecordServicer.__init__(self, intake)
        QuarantineServicer.__init__(self, quarantine, auditor)
        AnalysisServicer.__init__(self, analysing, auditor)
        CustodyServicer.__init__(self, custodian)
