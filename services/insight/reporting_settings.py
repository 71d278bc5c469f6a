"""Insight's settings that concern reports."""

from __future__ import annotations

from croniter import croniter
from pydantic import Field, field_validator

from mesh.settings import MeshSettings


class ReportingSettings(MeshSettings):
    """What reporting reads from the environment."""

    report_cron: str = Field(
        default="",
        validation_alias="INSIGHT_REPORT_CRON",
        description="When a report is stored, as a cron expression in UTC (0 6 * * * is daily at six), about the time "
        "since the one before; once, whichever replica makes it. Empty is never.",
    )

    @field_validator("report_cron")
    @classmethod
    def _check_cron(cls, value: str) -> str:
        if value and not croniter.is_valid(value):
            raise ValueError("must be a cron expression, for example 0 6 * * *")
        return value
