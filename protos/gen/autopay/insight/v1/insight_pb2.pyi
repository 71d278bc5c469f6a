from autopay.type.v1 import payment_pb2 as _payment_pb2
from autopay.type.v1 import risk_pb2 as _risk_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ArithmeticBasis(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ARITHMETIC_BASIS_UNSPECIFIED: _ClassVar[ArithmeticBasis]
    ARITHMETIC_BASIS_STORED: _ClassVar[ArithmeticBasis]
    ARITHMETIC_BASIS_PRESENT: _ClassVar[ArithmeticBasis]

class Label(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LABEL_UNSPECIFIED: _ClassVar[Label]
    LABEL_FRAUD: _ClassVar[Label]
    LABEL_LEGITIMATE: _ClassVar[Label]
    LABEL_UNSURE: _ClassVar[Label]

class ReportFormat(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REPORT_FORMAT_UNSPECIFIED: _ClassVar[ReportFormat]
    REPORT_FORMAT_JSON: _ClassVar[ReportFormat]
    REPORT_FORMAT_MARKDOWN: _ClassVar[ReportFormat]
    REPORT_FORMAT_HTML: _ClassVar[ReportFormat]
    REPORT_FORMAT_PDF: _ClassVar[ReportFormat]
ARITHMETIC_BASIS_UNSPECIFIED: ArithmeticBasis
ARITHMETIC_BASIS_STORED: ArithmeticBasis
ARITHMETIC_BASIS_PRESENT: ArithmeticBasis
LABEL_UNSPECIFIED: Label
LABEL_FRAUD: Label
LABEL_LEGITIMATE: Label
LABEL_UNSURE: Label
REPORT_FORMAT_UNSPECIFIED: ReportFormat
REPORT_FORMAT_JSON: ReportFormat
REPORT_FORMAT_MARKDOWN: ReportFormat
REPORT_FORMAT_HTML: ReportFormat
REPORT_FORMAT_PDF: ReportFormat

class ScoreRequest(_message.Message):
    __slots__ = ("items",)
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[ScoreItem]
    def __init__(self, items: _Optional[_Iterable[_Union[ScoreItem, _Mapping]]] = ...) -> None: ...

class ScoreItem(_message.Message):
    __slots__ = ("source", "event", "received_at_ms", "traceparent")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    TRACEPARENT_FIELD_NUMBER: _ClassVar[int]
    source: str
    event: _payment_pb2.PaymentEvent
    received_at_ms: int
    traceparent: str
    def __init__(self, source: _Optional[str] = ..., event: _Optional[_Union[_payment_pb2.PaymentEvent, _Mapping]] = ..., received_at_ms: _Optional[int] = ..., traceparent: _Optional[str] = ...) -> None: ...

class ScoreResponse(_message.Message):
    __slots__ = ("risks",)
    RISKS_FIELD_NUMBER: _ClassVar[int]
    risks: _containers.RepeatedCompositeFieldContainer[_risk_pb2.Risk]
    def __init__(self, risks: _Optional[_Iterable[_Union[_risk_pb2.Risk, _Mapping]]] = ...) -> None: ...

class ExplainTransactionRequest(_message.Message):
    __slots__ = ("source", "tx_id")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    TX_ID_FIELD_NUMBER: _ClassVar[int]
    source: str
    tx_id: str
    def __init__(self, source: _Optional[str] = ..., tx_id: _Optional[str] = ...) -> None: ...

class ExplainTransactionResponse(_message.Message):
    __slots__ = ("risk", "features", "explanation", "arithmetic")
    class FeaturesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    RISK_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    EXPLANATION_FIELD_NUMBER: _ClassVar[int]
    ARITHMETIC_FIELD_NUMBER: _ClassVar[int]
    risk: _risk_pb2.Risk
    features: _containers.ScalarMap[str, float]
    explanation: Explanation
    arithmetic: Arithmetic
    def __init__(self, risk: _Optional[_Union[_risk_pb2.Risk, _Mapping]] = ..., features: _Optional[_Mapping[str, float]] = ..., explanation: _Optional[_Union[Explanation, _Mapping]] = ..., arithmetic: _Optional[_Union[Arithmetic, _Mapping]] = ...) -> None: ...

class Arithmetic(_message.Message):
    __slots__ = ("basis", "model_version", "base", "terms", "points", "score")
    BASIS_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    BASE_FIELD_NUMBER: _ClassVar[int]
    TERMS_FIELD_NUMBER: _ClassVar[int]
    POINTS_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    basis: ArithmeticBasis
    model_version: str
    base: float
    terms: _containers.RepeatedCompositeFieldContainer[ArithmeticTerm]
    points: float
    score: float
    def __init__(self, basis: _Optional[_Union[ArithmeticBasis, str]] = ..., model_version: _Optional[str] = ..., base: _Optional[float] = ..., terms: _Optional[_Iterable[_Union[ArithmeticTerm, _Mapping]]] = ..., points: _Optional[float] = ..., score: _Optional[float] = ...) -> None: ...

class ArithmeticTerm(_message.Message):
    __slots__ = ("feature", "reason", "value", "weight", "points")
    FEATURE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    POINTS_FIELD_NUMBER: _ClassVar[int]
    feature: str
    reason: str
    value: float
    weight: float
    points: float
    def __init__(self, feature: _Optional[str] = ..., reason: _Optional[str] = ..., value: _Optional[float] = ..., weight: _Optional[float] = ..., points: _Optional[float] = ...) -> None: ...

class Explanation(_message.Message):
    __slots__ = ("source", "summary", "category", "anomaly_assessment", "recommended_action", "confidence", "model_version")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    ANOMALY_ASSESSMENT_FIELD_NUMBER: _ClassVar[int]
    RECOMMENDED_ACTION_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    source: str
    summary: str
    category: str
    anomaly_assessment: str
    recommended_action: str
    confidence: float
    model_version: str
    def __init__(self, source: _Optional[str] = ..., summary: _Optional[str] = ..., category: _Optional[str] = ..., anomaly_assessment: _Optional[str] = ..., recommended_action: _Optional[str] = ..., confidence: _Optional[float] = ..., model_version: _Optional[str] = ...) -> None: ...

class RecordLabelRequest(_message.Message):
    __slots__ = ("source", "tx_id", "label", "label_source", "author")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    TX_ID_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    LABEL_SOURCE_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    source: str
    tx_id: str
    label: Label
    label_source: str
    author: str
    def __init__(self, source: _Optional[str] = ..., tx_id: _Optional[str] = ..., label: _Optional[_Union[Label, str]] = ..., label_source: _Optional[str] = ..., author: _Optional[str] = ...) -> None: ...

class RecordLabelResponse(_message.Message):
    __slots__ = ("changed",)
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    changed: bool
    def __init__(self, changed: bool = ...) -> None: ...

class GetLabelsRequest(_message.Message):
    __slots__ = ("source", "tx_id")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    TX_ID_FIELD_NUMBER: _ClassVar[int]
    source: str
    tx_id: str
    def __init__(self, source: _Optional[str] = ..., tx_id: _Optional[str] = ...) -> None: ...

class GetLabelsResponse(_message.Message):
    __slots__ = ("labels", "verdict")
    LABELS_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    labels: _containers.RepeatedCompositeFieldContainer[RecordedLabel]
    verdict: Label
    def __init__(self, labels: _Optional[_Iterable[_Union[RecordedLabel, _Mapping]]] = ..., verdict: _Optional[_Union[Label, str]] = ...) -> None: ...

class RecordedLabel(_message.Message):
    __slots__ = ("label_source", "label", "author", "recorded_at_ms")
    LABEL_SOURCE_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    RECORDED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    label_source: str
    label: Label
    author: str
    recorded_at_ms: int
    def __init__(self, label_source: _Optional[str] = ..., label: _Optional[_Union[Label, str]] = ..., author: _Optional[str] = ..., recorded_at_ms: _Optional[int] = ...) -> None: ...

class GenerateReportRequest(_message.Message):
    __slots__ = ("since_ms", "until_ms", "format", "stored")
    SINCE_MS_FIELD_NUMBER: _ClassVar[int]
    UNTIL_MS_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    STORED_FIELD_NUMBER: _ClassVar[int]
    since_ms: int
    until_ms: int
    format: ReportFormat
    stored: bool
    def __init__(self, since_ms: _Optional[int] = ..., until_ms: _Optional[int] = ..., format: _Optional[_Union[ReportFormat, str]] = ..., stored: bool = ...) -> None: ...

class GenerateReportResponse(_message.Message):
    __slots__ = ("content", "media_type")
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    MEDIA_TYPE_FIELD_NUMBER: _ClassVar[int]
    content: bytes
    media_type: str
    def __init__(self, content: _Optional[bytes] = ..., media_type: _Optional[str] = ...) -> None: ...

class ExportModelRequest(_message.Message):
    __slots__ = ("profiles",)
    PROFILES_FIELD_NUMBER: _ClassVar[int]
    profiles: bool
    def __init__(self, profiles: bool = ...) -> None: ...

class ExportModelResponse(_message.Message):
    __slots__ = ("format", "part")
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    PART_FIELD_NUMBER: _ClassVar[int]
    format: str
    part: bytes
    def __init__(self, format: _Optional[str] = ..., part: _Optional[bytes] = ...) -> None: ...
