"""Settings: one frozen class per process, read once from the environment, secrets also from files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from mesh import masking

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic_core import ErrorDetails

_FILE_SUFFIX = "_FILE"


def _address(value: str) -> str:
    host, _, port = value.rpartition(":")
    if not host or not (port.isascii() and port.isdecimal()) or int(port) > 65_535:  # noqa: PLR2004 - the highest TCP port
        message = "expected host:port, for example 127.0.0.1:8080"
        raise ValueError(message)
    return value


Address = Annotated[str, AfterValidator(_address)]


class _EnvironmentAndFiles(EnvSettingsSource):
    """Reads NAME from the environment, and from the file that NAME_FILE points at."""

    def _load_env_vars(self) -> Mapping[str, str | None]:
        loaded = dict(super()._load_env_vars())
        for name, path in tuple(loaded.items()):
            target = name[: -len(_FILE_SUFFIX)] if name.lower().endswith(_FILE_SUFFIX.lower()) else ""
            if target and path and self._is_field(target):
                loaded.setdefault(target, _content(name, path))
        return loaded

    def _is_field(self, name: str) -> bool:
        return name.lower() in {known.lower() for known in environment_names(self.settings_cls)}


def _content(name: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        reason = error.strerror
    except UnicodeDecodeError:
        reason = "it is not UTF-8 text"
    raise ValueError(f"wrong setting: {name.upper()}: can't read {path}: {reason}")


class MeshSettings(BaseSettings):
    """What every process reads."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", populate_by_name=True, hide_input_in_errors=True)

    environment: Literal["development", "production"] = Field(
        default="development",
        validation_alias="AUTOPAY_ENV",
        description="`production` refuses plaintext, generated or short secrets, reflection and the "
        "in-body signature form.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", validation_alias="AUTOPAY_LOG_LEVEL", description="The least severe log line written."
    )
    allow_plaintext: bool = Field(
        default=False,
        validation_alias="AUTOPAY_ALLOW_PLAINTEXT",
        description="Speak plaintext beyond loopback where a service mesh like Linkerd encrypts; in development only. "
        "Callers have no names then, and everybody may call everything.",
    )
    drain_notice_s: float = Field(
        default=0.2,
        ge=0,
        le=60,
        validation_alias="AUTOPAY_DRAIN_NOTICE_S",
        description="On SIGTERM: seconds between saying not ready and refusing new calls, for clients to notice.",
    )
    drain_grace_s: float = Field(
        default=10.0,
        ge=0,
        le=300,
        validation_alias="AUTOPAY_DRAIN_GRACE_S",
        description="On SIGTERM: the most seconds that accepted work may take to finish.",
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take explicit values first, then the environment and the files it names; `.env` is `autopay up`'s alone."""
        del env_settings, dotenv_settings, file_secret_settings
        return init_settings, _EnvironmentAndFiles(settings_cls)

    @classmethod
    def load(cls, **values: Any) -> Self:
        """Read the settings.

        Raises:
            ValueError: a setting is wrong; the message names its environment variable.
        """
        try:
            loaded = cls(**values)
        except ValidationError as error:
            raise ValueError(f"wrong setting: {'; '.join(map(_sentence, error.errors()))}") from None
        masking.conceal(_secrets(loaded))
        return loaded

    @property
    def production(self) -> bool:
        """True where nothing made for development may run."""
        return self.environment == "production"


def _secrets(settings: BaseSettings) -> Iterator[str]:
    """Return every secret of a process's settings; a list is as secret as each of its parts."""
    for value in dict(settings).values():
        for each in value.values() if isinstance(value, Mapping) else (value,):
            if isinstance(each, SecretStr):
                yield from (part.strip() for part in each.get_secret_value().split(","))


def _sentence(problem: ErrorDetails) -> str:
    # A rule over several settings has no place of its own, and names them in its words.
    place = f"{problem['loc'][0]}: " if problem["loc"] else ""
    return place + problem["msg"].removeprefix("Value error, ")


def environment_names(settings_cls: type[BaseSettings]) -> dict[str, str]:
    """Return each environment variable a settings class reads, with its description."""
    names = {}
    for field_name, info in settings_cls.model_fields.items():
        alias = info.validation_alias
        choices = getattr(alias, "choices", None) or [alias or field_name]
        for choice in choices:
            names[str(choice)] = info.description or ""
    return names


def prefixed(prefix: str) -> dict[str, str]:
    """Return the environment variables that start with a prefix, by what follows it; `…_FILE` names a file.

    Raises:
        ValueError: a file can't be read; the message names its variable.
    """
    found: dict[str, str] = {}
    for name, value in os.environ.items():
        rest = name.removeprefix(prefix)
        if rest == name or not rest or not value:
            continue
        if rest.endswith(_FILE_SUFFIX):
            found.setdefault(rest.removesuffix(_FILE_SUFFIX), _content(name, value))
        else:
            found[rest] = value
    return found


def environment_without(*prefixes: str) -> dict[str, str]:
    """Return this process's environment without the variables that start with a prefix."""
    return {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}
