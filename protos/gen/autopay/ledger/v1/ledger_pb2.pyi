from autopay.type.v1 import delivery_pb2 as _delivery_pb2
from autopay.type.v1 import error_pb2 as _error_pb2
from autopay.type.v1 import money_pb2 as _money_pb2
from autopay.type.v1 import payment_pb2 as _payment_pb2
from autopay.type.v1 import risk_pb2 as _risk_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Disposition(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DISPOSITION_UNSPECIFIED: _ClassVar[Disposition]
    DISPOSITION_RECORDED: _ClassVar[Disposition]
    DISPOSITION_DUPLICATE: _ClassVar[Disposition]
    DISPOSITION_IGNORED: _ClassVar[Disposition]
    DISPOSITION_UNPROCESSABLE: _ClassVar[Disposition]
    DISPOSITION_CONFLICT: _ClassVar[Disposition]
    DISPOSITION_WAITING: _ClassVar[Disposition]
    DISPOSITION_DISMISSED: _ClassVar[Disposition]

class Outcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OUTCOME_UNSPECIFIED: _ClassVar[Outcome]
    OUTCOME_CREATED: _ClassVar[Outcome]
    OUTCOME_DUPLICATE: _ClassVar[Outcome]
    OUTCOME_UPDATED: _ClassVar[Outcome]
    OUTCOME_STALE: _ClassVar[Outcome]
    OUTCOME_CONFLICT: _ClassVar[Outcome]
    OUTCOME_UNRESOLVED: _ClassVar[Outcome]

class TransactionView(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TRANSACTION_VIEW_UNSPECIFIED: _ClassVar[TransactionView]
    TRANSACTION_VIEW_BASIC: _ClassVar[TransactionView]
    TRANSACTION_VIEW_FULL: _ClassVar[TransactionView]

class AnalysisState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ANALYSIS_STATE_UNSPECIFIED: _ClassVar[AnalysisState]
    ANALYSIS_STATE_NONE: _ClassVar[AnalysisState]
    ANALYSIS_STATE_QUEUED: _ClassVar[AnalysisState]
    ANALYSIS_STATE_LEASED: _ClassVar[AnalysisState]
    ANALYSIS_STATE_DONE: _ClassVar[AnalysisState]
    ANALYSIS_STATE_PARKED: _ClassVar[AnalysisState]

class AccountRole(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ACCOUNT_ROLE_UNSPECIFIED: _ClassVar[AccountRole]
    ACCOUNT_ROLE_EITHER: _ClassVar[AccountRole]
    ACCOUNT_ROLE_SENDER: _ClassVar[AccountRole]
    ACCOUNT_ROLE_RECEIVER: _ClassVar[AccountRole]

class SummaryGroup(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SUMMARY_GROUP_UNSPECIFIED: _ClassVar[SummaryGroup]
    SUMMARY_GROUP_CURRENCY: _ClassVar[SummaryGroup]
    SUMMARY_GROUP_STATUS: _ClassVar[SummaryGroup]
    SUMMARY_GROUP_SOURCE: _ClassVar[SummaryGroup]
    SUMMARY_GROUP_HOUR: _ClassVar[SummaryGroup]
    SUMMARY_GROUP_DAY: _ClassVar[SummaryGroup]
    SUMMARY_GROUP_SENDER: _ClassVar[SummaryGroup]
    SUMMARY_GROUP_RECEIVER: _ClassVar[SummaryGroup]
    SUMMARY_GROUP_RISK_LEVEL: _ClassVar[SummaryGroup]

class Resolution(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RESOLUTION_UNSPECIFIED: _ClassVar[Resolution]
    RESOLUTION_ACCEPT: _ClassVar[Resolution]
    RESOLUTION_DISMISS: _ClassVar[Resolution]
    RESOLUTION_REDRIVE: _ClassVar[Resolution]
DISPOSITION_UNSPECIFIED: Disposition
DISPOSITION_RECORDED: Disposition
DISPOSITION_DUPLICATE: Disposition
DISPOSITION_IGNORED: Disposition
DISPOSITION_UNPROCESSABLE: Disposition
DISPOSITION_CONFLICT: Disposition
DISPOSITION_WAITING: Disposition
DISPOSITION_DISMISSED: Disposition
OUTCOME_UNSPECIFIED: Outcome
OUTCOME_CREATED: Outcome
OUTCOME_DUPLICATE: Outcome
OUTCOME_UPDATED: Outcome
OUTCOME_STALE: Outcome
OUTCOME_CONFLICT: Outcome
OUTCOME_UNRESOLVED: Outcome
TRANSACTION_VIEW_UNSPECIFIED: TransactionView
TRANSACTION_VIEW_BASIC: TransactionView
TRANSACTION_VIEW_FULL: TransactionView
ANALYSIS_STATE_UNSPECIFIED: AnalysisState
ANALYSIS_STATE_NONE: AnalysisState
ANALYSIS_STATE_QUEUED: AnalysisState
ANALYSIS_STATE_LEASED: AnalysisState
ANALYSIS_STATE_DONE: AnalysisState
ANALYSIS_STATE_PARKED: AnalysisState
ACCOUNT_ROLE_UNSPECIFIED: AccountRole
ACCOUNT_ROLE_EITHER: AccountRole
ACCOUNT_ROLE_SENDER: AccountRole
ACCOUNT_ROLE_RECEIVER: AccountRole
SUMMARY_GROUP_UNSPECIFIED: SummaryGroup
SUMMARY_GROUP_CURRENCY: SummaryGroup
SUMMARY_GROUP_STATUS: SummaryGroup
SUMMARY_GROUP_SOURCE: SummaryGroup
SUMMARY_GROUP_HOUR: SummaryGroup
SUMMARY_GROUP_DAY: SummaryGroup
SUMMARY_GROUP_SENDER: SummaryGroup
SUMMARY_GROUP_RECEIVER: SummaryGroup
SUMMARY_GROUP_RISK_LEVEL: SummaryGroup
RESOLUTION_UNSPECIFIED: Resolution
RESOLUTION_ACCEPT: Resolution
RESOLUTION_DISMISS: Resolution
RESOLUTION_REDRIVE: Resolution

class RecordRequest(_message.Message):
    __slots__ = ("items",)
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[RecordItem]
    def __init__(self, items: _Optional[_Iterable[_Union[RecordItem, _Mapping]]] = ...) -> None: ...

class RecordItem(_message.Message):
    __slots__ = ("delivery_id", "source", "delivery", "events", "disposition", "disposition_detail", "traceparent")
    DELIVERY_ID_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    DELIVERY_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    DISPOSITION_FIELD_NUMBER: _ClassVar[int]
    DISPOSITION_DETAIL_FIELD_NUMBER: _ClassVar[int]
    TRACEPARENT_FIELD_NUMBER: _ClassVar[int]
    delivery_id: str
    source: str
    delivery: _delivery_pb2.Delivery
    events: _containers.RepeatedCompositeFieldContainer[RecordEvent]
    disposition: Disposition
    disposition_detail: str
    traceparent: str
    def __init__(self, delivery_id: _Optional[str] = ..., source: _Optional[str] = ..., delivery: _Optional[_Union[_delivery_pb2.Delivery, _Mapping]] = ..., events: _Optional[_Iterable[_Union[RecordEvent, _Mapping]]] = ..., disposition: _Optional[_Union[Disposition, str]] = ..., disposition_detail: _Optional[str] = ..., traceparent: _Optional[str] = ...) -> None: ...

class RecordEvent(_message.Message):
    __slots__ = ("event", "risk")
    EVENT_FIELD_NUMBER: _ClassVar[int]
    RISK_FIELD_NUMBER: _ClassVar[int]
    event: _payment_pb2.PaymentEvent
    risk: _risk_pb2.Risk
    def __init__(self, event: _Optional[_Union[_payment_pb2.PaymentEvent, _Mapping]] = ..., risk: _Optional[_Union[_risk_pb2.Risk, _Mapping]] = ...) -> None: ...

class RecordResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[RecordResult]
    def __init__(self, results: _Optional[_Iterable[_Union[RecordResult, _Mapping]]] = ...) -> None: ...

class RecordResult(_message.Message):
    __slots__ = ("disposition", "events", "error")
    DISPOSITION_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    disposition: Disposition
    events: _containers.RepeatedCompositeFieldContainer[EventOutcome]
    error: RecordError
    def __init__(self, disposition: _Optional[_Union[Disposition, str]] = ..., events: _Optional[_Iterable[_Union[EventOutcome, _Mapping]]] = ..., error: _Optional[_Union[RecordError, _Mapping]] = ...) -> None: ...

class EventOutcome(_message.Message):
    __slots__ = ("tx_id", "event_id", "outcome", "status", "version", "conflict_field", "risk")
    TX_ID_FIELD_NUMBER: _ClassVar[int]
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    CONFLICT_FIELD_FIELD_NUMBER: _ClassVar[int]
    RISK_FIELD_NUMBER: _ClassVar[int]
    tx_id: str
    event_id: str
    outcome: Outcome
    status: _payment_pb2.PaymentStatus
    version: int
    conflict_field: str
    risk: _risk_pb2.Risk
    def __init__(self, tx_id: _Optional[str] = ..., event_id: _Optional[str] = ..., outcome: _Optional[_Union[Outcome, str]] = ..., status: _Optional[_Union[_payment_pb2.PaymentStatus, str]] = ..., version: _Optional[int] = ..., conflict_field: _Optional[str] = ..., risk: _Optional[_Union[_risk_pb2.Risk, _Mapping]] = ...) -> None: ...

class RecordError(_message.Message):
    __slots__ = ("code", "reason", "message", "field", "retryable")
    CODE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    RETRYABLE_FIELD_NUMBER: _ClassVar[int]
    code: int
    reason: _error_pb2.ErrorReason
    message: str
    field: str
    retryable: bool
    def __init__(self, code: _Optional[int] = ..., reason: _Optional[_Union[_error_pb2.ErrorReason, str]] = ..., message: _Optional[str] = ..., field: _Optional[str] = ..., retryable: bool = ...) -> None: ...

class RecordStreamRequest(_message.Message):
    __slots__ = ("items",)
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[RecordItem]
    def __init__(self, items: _Optional[_Iterable[_Union[RecordItem, _Mapping]]] = ...) -> None: ...

class RecordStreamResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[RecordResult]
    def __init__(self, results: _Optional[_Iterable[_Union[RecordResult, _Mapping]]] = ...) -> None: ...

class Transaction(_message.Message):
    __slots__ = ("source", "tx_id", "version", "status", "amount", "sender_account", "receiver_account", "totals", "flags", "aliases", "risk", "recorded_at_ms", "updated_at_ms", "event_count", "events", "description", "analysis_state", "analysis", "analysis_error")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    TX_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    SENDER_ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    RECEIVER_ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    TOTALS_FIELD_NUMBER: _ClassVar[int]
    FLAGS_FIELD_NUMBER: _ClassVar[int]
    ALIASES_FIELD_NUMBER: _ClassVar[int]
    RISK_FIELD_NUMBER: _ClassVar[int]
    RECORDED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    EVENT_COUNT_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    ANALYSIS_STATE_FIELD_NUMBER: _ClassVar[int]
    ANALYSIS_FIELD_NUMBER: _ClassVar[int]
    ANALYSIS_ERROR_FIELD_NUMBER: _ClassVar[int]
    source: str
    tx_id: str
    version: int
    status: _payment_pb2.PaymentStatus
    amount: _money_pb2.Money
    sender_account: str
    receiver_account: str
    totals: _payment_pb2.Totals
    flags: _containers.RepeatedScalarFieldContainer[_payment_pb2.PaymentFlag]
    aliases: _containers.RepeatedScalarFieldContainer[str]
    risk: _risk_pb2.Risk
    recorded_at_ms: int
    updated_at_ms: int
    event_count: int
    events: _containers.RepeatedCompositeFieldContainer[RecordedEvent]
    description: str
    analysis_state: AnalysisState
    analysis: Analysis
    analysis_error: str
    def __init__(self, source: _Optional[str] = ..., tx_id: _Optional[str] = ..., version: _Optional[int] = ..., status: _Optional[_Union[_payment_pb2.PaymentStatus, str]] = ..., amount: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., sender_account: _Optional[str] = ..., receiver_account: _Optional[str] = ..., totals: _Optional[_Union[_payment_pb2.Totals, _Mapping]] = ..., flags: _Optional[_Iterable[_Union[_payment_pb2.PaymentFlag, str]]] = ..., aliases: _Optional[_Iterable[str]] = ..., risk: _Optional[_Union[_risk_pb2.Risk, _Mapping]] = ..., recorded_at_ms: _Optional[int] = ..., updated_at_ms: _Optional[int] = ..., event_count: _Optional[int] = ..., events: _Optional[_Iterable[_Union[RecordedEvent, _Mapping]]] = ..., description: _Optional[str] = ..., analysis_state: _Optional[_Union[AnalysisState, str]] = ..., analysis: _Optional[_Union[Analysis, _Mapping]] = ..., analysis_error: _Optional[str] = ...) -> None: ...

class RecordedEvent(_message.Message):
    __slots__ = ("event", "outcome", "delivery", "recorded_at_ms", "correction")
    EVENT_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    DELIVERY_FIELD_NUMBER: _ClassVar[int]
    RECORDED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    CORRECTION_FIELD_NUMBER: _ClassVar[int]
    event: _payment_pb2.PaymentEvent
    outcome: Outcome
    delivery: str
    recorded_at_ms: int
    correction: Correction
    def __init__(self, event: _Optional[_Union[_payment_pb2.PaymentEvent, _Mapping]] = ..., outcome: _Optional[_Union[Outcome, str]] = ..., delivery: _Optional[str] = ..., recorded_at_ms: _Optional[int] = ..., correction: _Optional[_Union[Correction, _Mapping]] = ...) -> None: ...

class Correction(_message.Message):
    __slots__ = ("author", "note", "event_id", "replaced_event_ids")
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    REPLACED_EVENT_IDS_FIELD_NUMBER: _ClassVar[int]
    author: str
    note: str
    event_id: str
    replaced_event_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, author: _Optional[str] = ..., note: _Optional[str] = ..., event_id: _Optional[str] = ..., replaced_event_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class GetTransactionRequest(_message.Message):
    __slots__ = ("source", "tx_id", "view", "min_version", "wait_ms", "wait_for_analysis", "reader")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    TX_ID_FIELD_NUMBER: _ClassVar[int]
    VIEW_FIELD_NUMBER: _ClassVar[int]
    MIN_VERSION_FIELD_NUMBER: _ClassVar[int]
    WAIT_MS_FIELD_NUMBER: _ClassVar[int]
    WAIT_FOR_ANALYSIS_FIELD_NUMBER: _ClassVar[int]
    READER_FIELD_NUMBER: _ClassVar[int]
    source: str
    tx_id: str
    view: TransactionView
    min_version: int
    wait_ms: int
    wait_for_analysis: bool
    reader: str
    def __init__(self, source: _Optional[str] = ..., tx_id: _Optional[str] = ..., view: _Optional[_Union[TransactionView, str]] = ..., min_version: _Optional[int] = ..., wait_ms: _Optional[int] = ..., wait_for_analysis: bool = ..., reader: _Optional[str] = ...) -> None: ...

class GetTransactionResponse(_message.Message):
    __slots__ = ("transaction",)
    TRANSACTION_FIELD_NUMBER: _ClassVar[int]
    transaction: Transaction
    def __init__(self, transaction: _Optional[_Union[Transaction, _Mapping]] = ...) -> None: ...

class TransactionName(_message.Message):
    __slots__ = ("source", "tx_id")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    TX_ID_FIELD_NUMBER: _ClassVar[int]
    source: str
    tx_id: str
    def __init__(self, source: _Optional[str] = ..., tx_id: _Optional[str] = ...) -> None: ...

class BatchGetTransactionsRequest(_message.Message):
    __slots__ = ("names",)
    NAMES_FIELD_NUMBER: _ClassVar[int]
    names: _containers.RepeatedCompositeFieldContainer[TransactionName]
    def __init__(self, names: _Optional[_Iterable[_Union[TransactionName, _Mapping]]] = ...) -> None: ...

class BatchGetTransactionsResponse(_message.Message):
    __slots__ = ("transactions",)
    TRANSACTIONS_FIELD_NUMBER: _ClassVar[int]
    transactions: _containers.RepeatedCompositeFieldContainer[Transaction]
    def __init__(self, transactions: _Optional[_Iterable[_Union[Transaction, _Mapping]]] = ...) -> None: ...

class AccountSelector(_message.Message):
    __slots__ = ("account", "role")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    account: str
    role: AccountRole
    def __init__(self, account: _Optional[str] = ..., role: _Optional[_Union[AccountRole, str]] = ...) -> None: ...

class TransactionSelector(_message.Message):
    __slots__ = ("source", "account", "status", "currency", "risk_level", "analysis_state")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    RISK_LEVEL_FIELD_NUMBER: _ClassVar[int]
    ANALYSIS_STATE_FIELD_NUMBER: _ClassVar[int]
    source: str
    account: AccountSelector
    status: _payment_pb2.PaymentStatus
    currency: str
    risk_level: _risk_pb2.RiskLevel
    analysis_state: AnalysisState
    def __init__(self, source: _Optional[str] = ..., account: _Optional[_Union[AccountSelector, _Mapping]] = ..., status: _Optional[_Union[_payment_pb2.PaymentStatus, str]] = ..., currency: _Optional[str] = ..., risk_level: _Optional[_Union[_risk_pb2.RiskLevel, str]] = ..., analysis_state: _Optional[_Union[AnalysisState, str]] = ...) -> None: ...

class TransactionFilter(_message.Message):
    __slots__ = ("source", "status", "currency", "amount_min", "amount_max", "risk_level")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_MIN_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_MAX_FIELD_NUMBER: _ClassVar[int]
    RISK_LEVEL_FIELD_NUMBER: _ClassVar[int]
    source: str
    status: _payment_pb2.PaymentStatus
    currency: str
    amount_min: int
    amount_max: int
    risk_level: _risk_pb2.RiskLevel
    def __init__(self, source: _Optional[str] = ..., status: _Optional[_Union[_payment_pb2.PaymentStatus, str]] = ..., currency: _Optional[str] = ..., amount_min: _Optional[int] = ..., amount_max: _Optional[int] = ..., risk_level: _Optional[_Union[_risk_pb2.RiskLevel, str]] = ...) -> None: ...

class ListTransactionsRequest(_message.Message):
    __slots__ = ("selector", "filter", "recorded_since_ms", "recorded_until_ms", "ascending", "page_size", "page_token")
    SELECTOR_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    RECORDED_SINCE_MS_FIELD_NUMBER: _ClassVar[int]
    RECORDED_UNTIL_MS_FIELD_NUMBER: _ClassVar[int]
    ASCENDING_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    selector: TransactionSelector
    filter: TransactionFilter
    recorded_since_ms: int
    recorded_until_ms: int
    ascending: bool
    page_size: int
    page_token: str
    def __init__(self, selector: _Optional[_Union[TransactionSelector, _Mapping]] = ..., filter: _Optional[_Union[TransactionFilter, _Mapping]] = ..., recorded_since_ms: _Optional[int] = ..., recorded_until_ms: _Optional[int] = ..., ascending: bool = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListTransactionsResponse(_message.Message):
    __slots__ = ("transactions", "next_page_token")
    TRANSACTIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    transactions: _containers.RepeatedCompositeFieldContainer[Transaction]
    next_page_token: str
    def __init__(self, transactions: _Optional[_Iterable[_Union[Transaction, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class WatchTransactionsRequest(_message.Message):
    __slots__ = ("resume_token", "filter", "heartbeat_ms")
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_MS_FIELD_NUMBER: _ClassVar[int]
    resume_token: str
    filter: TransactionFilter
    heartbeat_ms: int
    def __init__(self, resume_token: _Optional[str] = ..., filter: _Optional[_Union[TransactionFilter, _Mapping]] = ..., heartbeat_ms: _Optional[int] = ...) -> None: ...

class WatchTransactionsResponse(_message.Message):
    __slots__ = ("changes", "resume_token")
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    changes: _containers.RepeatedCompositeFieldContainer[TransactionChange]
    resume_token: str
    def __init__(self, changes: _Optional[_Iterable[_Union[TransactionChange, _Mapping]]] = ..., resume_token: _Optional[str] = ...) -> None: ...

class TransactionChange(_message.Message):
    __slots__ = ("source", "tx_id", "version", "status", "events", "recorded_at_ms", "sender_account", "receiver_account", "risk_level", "outcome")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    TX_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    RECORDED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    SENDER_ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    RECEIVER_ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    RISK_LEVEL_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    source: str
    tx_id: str
    version: int
    status: _payment_pb2.PaymentStatus
    events: _containers.RepeatedCompositeFieldContainer[_payment_pb2.PaymentEvent]
    recorded_at_ms: int
    sender_account: str
    receiver_account: str
    risk_level: _risk_pb2.RiskLevel
    outcome: Outcome
    def __init__(self, source: _Optional[str] = ..., tx_id: _Optional[str] = ..., version: _Optional[int] = ..., status: _Optional[_Union[_payment_pb2.PaymentStatus, str]] = ..., events: _Optional[_Iterable[_Union[_payment_pb2.PaymentEvent, _Mapping]]] = ..., recorded_at_ms: _Optional[int] = ..., sender_account: _Optional[str] = ..., receiver_account: _Optional[str] = ..., risk_level: _Optional[_Union[_risk_pb2.RiskLevel, str]] = ..., outcome: _Optional[_Union[Outcome, str]] = ...) -> None: ...

class SummarizeTransactionsRequest(_message.Message):
    __slots__ = ("recorded_since_ms", "recorded_until_ms", "group_by", "filter", "group_limit")
    RECORDED_SINCE_MS_FIELD_NUMBER: _ClassVar[int]
    RECORDED_UNTIL_MS_FIELD_NUMBER: _ClassVar[int]
    GROUP_BY_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    GROUP_LIMIT_FIELD_NUMBER: _ClassVar[int]
    recorded_since_ms: int
    recorded_until_ms: int
    group_by: _containers.RepeatedScalarFieldContainer[SummaryGroup]
    filter: TransactionFilter
    group_limit: int
    def __init__(self, recorded_since_ms: _Optional[int] = ..., recorded_until_ms: _Optional[int] = ..., group_by: _Optional[_Iterable[_Union[SummaryGroup, str]]] = ..., filter: _Optional[_Union[TransactionFilter, _Mapping]] = ..., group_limit: _Optional[int] = ...) -> None: ...

class SummarizeTransactionsResponse(_message.Message):
    __slots__ = ("rows", "truncated")
    ROWS_FIELD_NUMBER: _ClassVar[int]
    TRUNCATED_FIELD_NUMBER: _ClassVar[int]
    rows: _containers.RepeatedCompositeFieldContainer[SummaryRow]
    truncated: bool
    def __init__(self, rows: _Optional[_Iterable[_Union[SummaryRow, _Mapping]]] = ..., truncated: bool = ...) -> None: ...

class SummaryRow(_message.Message):
    __slots__ = ("key", "count", "amount", "totals")
    class KeyEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    KEY_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    TOTALS_FIELD_NUMBER: _ClassVar[int]
    key: _containers.ScalarMap[str, str]
    count: int
    amount: _money_pb2.Money
    totals: _payment_pb2.Totals
    def __init__(self, key: _Optional[_Mapping[str, str]] = ..., count: _Optional[int] = ..., amount: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., totals: _Optional[_Union[_payment_pb2.Totals, _Mapping]] = ...) -> None: ...

class LeaseAnalysesRequest(_message.Message):
    __slots__ = ("worker", "tasks_max", "lease_ms", "wait_ms")
    WORKER_FIELD_NUMBER: _ClassVar[int]
    TASKS_MAX_FIELD_NUMBER: _ClassVar[int]
    LEASE_MS_FIELD_NUMBER: _ClassVar[int]
    WAIT_MS_FIELD_NUMBER: _ClassVar[int]
    worker: str
    tasks_max: int
    lease_ms: int
    wait_ms: int
    def __init__(self, worker: _Optional[str] = ..., tasks_max: _Optional[int] = ..., lease_ms: _Optional[int] = ..., wait_ms: _Optional[int] = ...) -> None: ...

class LeaseAnalysesResponse(_message.Message):
    __slots__ = ("tasks",)
    TASKS_FIELD_NUMBER: _ClassVar[int]
    tasks: _containers.RepeatedCompositeFieldContainer[AnalysisTask]
    def __init__(self, tasks: _Optional[_Iterable[_Union[AnalysisTask, _Mapping]]] = ...) -> None: ...

class AnalysisTask(_message.Message):
    __slots__ = ("transaction", "lease_token", "lease_until_ms", "attempt")
    TRANSACTION_FIELD_NUMBER: _ClassVar[int]
    LEASE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    LEASE_UNTIL_MS_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    transaction: Transaction
    lease_token: str
    lease_until_ms: int
    attempt: int
    def __init__(self, transaction: _Optional[_Union[Transaction, _Mapping]] = ..., lease_token: _Optional[str] = ..., lease_until_ms: _Optional[int] = ..., attempt: _Optional[int] = ...) -> None: ...

class Analysis(_message.Message):
    __slots__ = ("summary", "category", "anomaly_assessment", "recommended_action", "confidence", "model_version")
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    ANOMALY_ASSESSMENT_FIELD_NUMBER: _ClassVar[int]
    RECOMMENDED_ACTION_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    summary: str
    category: str
    anomaly_assessment: str
    recommended_action: str
    confidence: float
    model_version: str
    def __init__(self, summary: _Optional[str] = ..., category: _Optional[str] = ..., anomaly_assessment: _Optional[str] = ..., recommended_action: _Optional[str] = ..., confidence: _Optional[float] = ..., model_version: _Optional[str] = ...) -> None: ...

class CompleteAnalysisRequest(_message.Message):
    __slots__ = ("name", "lease_token", "analysis", "failure", "final")
    NAME_FIELD_NUMBER: _ClassVar[int]
    LEASE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    ANALYSIS_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    FINAL_FIELD_NUMBER: _ClassVar[int]
    name: TransactionName
    lease_token: str
    analysis: Analysis
    failure: str
    final: bool
    def __init__(self, name: _Optional[_Union[TransactionName, _Mapping]] = ..., lease_token: _Optional[str] = ..., analysis: _Optional[_Union[Analysis, _Mapping]] = ..., failure: _Optional[str] = ..., final: bool = ...) -> None: ...

class CompleteAnalysisResponse(_message.Message):
    __slots__ = ("state",)
    STATE_FIELD_NUMBER: _ClassVar[int]
    state: AnalysisState
    def __init__(self, state: _Optional[_Union[AnalysisState, str]] = ...) -> None: ...

class StoredDelivery(_message.Message):
    __slots__ = ("id", "delivery", "disposition", "disposition_detail", "count", "last_seen_at_ms", "transactions", "conflicts", "resolutions", "recorded_at_ms", "lease_count", "erased")
    ID_FIELD_NUMBER: _ClassVar[int]
    DELIVERY_FIELD_NUMBER: _ClassVar[int]
    DISPOSITION_FIELD_NUMBER: _ClassVar[int]
    DISPOSITION_DETAIL_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    LAST_SEEN_AT_MS_FIELD_NUMBER: _ClassVar[int]
    TRANSACTIONS_FIELD_NUMBER: _ClassVar[int]
    CONFLICTS_FIELD_NUMBER: _ClassVar[int]
    RESOLUTIONS_FIELD_NUMBER: _ClassVar[int]
    RECORDED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    LEASE_COUNT_FIELD_NUMBER: _ClassVar[int]
    ERASED_FIELD_NUMBER: _ClassVar[int]
    id: str
    delivery: _delivery_pb2.Delivery
    disposition: Disposition
    disposition_detail: str
    count: int
    last_seen_at_ms: int
    transactions: _containers.RepeatedCompositeFieldContainer[TransactionName]
    conflicts: _containers.RepeatedCompositeFieldContainer[ConflictingEvent]
    resolutions: _containers.RepeatedCompositeFieldContainer[DeliveryResolution]
    recorded_at_ms: int
    lease_count: int
    erased: bool
    def __init__(self, id: _Optional[str] = ..., delivery: _Optional[_Union[_delivery_pb2.Delivery, _Mapping]] = ..., disposition: _Optional[_Union[Disposition, str]] = ..., disposition_detail: _Optional[str] = ..., count: _Optional[int] = ..., last_seen_at_ms: _Optional[int] = ..., transactions: _Optional[_Iterable[_Union[TransactionName, _Mapping]]] = ..., conflicts: _Optional[_Iterable[_Union[ConflictingEvent, _Mapping]]] = ..., resolutions: _Optional[_Iterable[_Union[DeliveryResolution, _Mapping]]] = ..., recorded_at_ms: _Optional[int] = ..., lease_count: _Optional[int] = ..., erased: bool = ...) -> None: ...

class ConflictingEvent(_message.Message):
    __slots__ = ("event", "field")
    EVENT_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    event: _payment_pb2.PaymentEvent
    field: str
    def __init__(self, event: _Optional[_Union[_payment_pb2.PaymentEvent, _Mapping]] = ..., field: _Optional[str] = ...) -> None: ...

class DeliveryResolution(_message.Message):
    __slots__ = ("resolution", "author", "note", "resolved_at_ms")
    RESOLUTION_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    RESOLVED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    resolution: Resolution
    author: str
    note: str
    resolved_at_ms: int
    def __init__(self, resolution: _Optional[_Union[Resolution, str]] = ..., author: _Optional[str] = ..., note: _Optional[str] = ..., resolved_at_ms: _Optional[int] = ...) -> None: ...

class ListDeliveriesRequest(_message.Message):
    __slots__ = ("disposition", "source", "received_since_ms", "page_size", "page_token", "id", "with_body")
    DISPOSITION_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_SINCE_MS_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    WITH_BODY_FIELD_NUMBER: _ClassVar[int]
    disposition: Disposition
    source: str
    received_since_ms: int
    page_size: int
    page_token: str
    id: str
    with_body: bool
    def __init__(self, disposition: _Optional[_Union[Disposition, str]] = ..., source: _Optional[str] = ..., received_since_ms: _Optional[int] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., id: _Optional[str] = ..., with_body: bool = ...) -> None: ...

class ListDeliveriesResponse(_message.Message):
    __slots__ = ("deliveries", "next_page_token")
    DELIVERIES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    deliveries: _containers.RepeatedCompositeFieldContainer[StoredDelivery]
    next_page_token: str
    def __init__(self, deliveries: _Optional[_Iterable[_Union[StoredDelivery, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class LeaseDeliveriesRequest(_message.Message):
    __slots__ = ("worker", "deliveries_max", "lease_ms", "wait_ms")
    WORKER_FIELD_NUMBER: _ClassVar[int]
    DELIVERIES_MAX_FIELD_NUMBER: _ClassVar[int]
    LEASE_MS_FIELD_NUMBER: _ClassVar[int]
    WAIT_MS_FIELD_NUMBER: _ClassVar[int]
    worker: str
    deliveries_max: int
    lease_ms: int
    wait_ms: int
    def __init__(self, worker: _Optional[str] = ..., deliveries_max: _Optional[int] = ..., lease_ms: _Optional[int] = ..., wait_ms: _Optional[int] = ...) -> None: ...

class LeaseDeliveriesResponse(_message.Message):
    __slots__ = ("deliveries",)
    DELIVERIES_FIELD_NUMBER: _ClassVar[int]
    deliveries: _containers.RepeatedCompositeFieldContainer[StoredDelivery]
    def __init__(self, deliveries: _Optional[_Iterable[_Union[StoredDelivery, _Mapping]]] = ...) -> None: ...

class ResolveDeliveryRequest(_message.Message):
    __slots__ = ("id", "resolution", "author", "note")
    ID_FIELD_NUMBER: _ClassVar[int]
    RESOLUTION_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    id: str
    resolution: Resolution
    author: str
    note: str
    def __init__(self, id: _Optional[str] = ..., resolution: _Optional[_Union[Resolution, str]] = ..., author: _Optional[str] = ..., note: _Optional[str] = ...) -> None: ...

class ResolveDeliveryResponse(_message.Message):
    __slots__ = ("delivery",)
    DELIVERY_FIELD_NUMBER: _ClassVar[int]
    delivery: StoredDelivery
    def __init__(self, delivery: _Optional[_Union[StoredDelivery, _Mapping]] = ...) -> None: ...

class EraseDeliveriesRequest(_message.Message):
    __slots__ = ("account", "author", "note", "page_token")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    account: str
    author: str
    note: str
    page_token: str
    def __init__(self, account: _Optional[str] = ..., author: _Optional[str] = ..., note: _Optional[str] = ..., page_token: _Optional[str] = ...) -> None: ...

class EraseDeliveriesResponse(_message.Message):
    __slots__ = ("payments", "erased", "held_ids", "next_page_token")
    PAYMENTS_FIELD_NUMBER: _ClassVar[int]
    ERASED_FIELD_NUMBER: _ClassVar[int]
    HELD_IDS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    payments: int
    erased: int
    held_ids: _containers.RepeatedScalarFieldContainer[str]
    next_page_token: str
    def __init__(self, payments: _Optional[int] = ..., erased: _Optional[int] = ..., held_ids: _Optional[_Iterable[str]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ResealDeliveriesRequest(_message.Message):
    __slots__ = ("after_id", "deliveries_max")
    AFTER_ID_FIELD_NUMBER: _ClassVar[int]
    DELIVERIES_MAX_FIELD_NUMBER: _ClassVar[int]
    after_id: str
    deliveries_max: int
    def __init__(self, after_id: _Optional[str] = ..., deliveries_max: _Optional[int] = ...) -> None: ...

class ResealDeliveriesResponse(_message.Message):
    __slots__ = ("examined", "resealed", "unopenable", "key_id", "last_id")
    EXAMINED_FIELD_NUMBER: _ClassVar[int]
    RESEALED_FIELD_NUMBER: _ClassVar[int]
    UNOPENABLE_FIELD_NUMBER: _ClassVar[int]
    KEY_ID_FIELD_NUMBER: _ClassVar[int]
    LAST_ID_FIELD_NUMBER: _ClassVar[int]
    examined: int
    resealed: int
    unopenable: int
    key_id: str
    last_id: str
    def __init__(self, examined: _Optional[int] = ..., resealed: _Optional[int] = ..., unopenable: _Optional[int] = ..., key_id: _Optional[str] = ..., last_id: _Optional[str] = ...) -> None: ...
