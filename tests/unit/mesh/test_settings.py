"""Settings: the environment and the files it names, one clear line when wrong, no secret shown."""

from __future__ import annotations

from pathlib import Path
from typing import Self

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, SecretStr, ValidationError, model_validator

from mesh.settings import Address, MeshSettings, environment_names, environment_without


class Example(MeshSettings):
    """A process's settings as ours are written."""

    bind: Address = Field(default="127.0.0.1:8080", validation_alias="EXAMPLE_BIND", description="Where it listens.")
    workers: int = Field(default=1, ge=1, le=64, validation_alias="EXAMPLE_WORKERS", description="How many.")
    key: SecretStr = Field(default=SecretStr(""), validation_alias="EXAMPLE_KEY", description="The key.")
    pin: int = Field(default=0, validation_alias="EXAMPLE_PIN", description="A secret that is a number.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.production and not self.key.get_secret_value():
            raise ValueError("EXAMPLE_KEY is needed in production")
        return self


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget what the machine's environment says."""
    for name in environment_names(Example):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(f"{name}_FILE", raising=False)


def why_not(**values: object) -> str:
    """Return the message with which loading fails."""
    with pytest.raises(ValueError, match="wrong setting: ") as raised:
        Example.load(**values)
    return str(raised.value)


def test_a_setting_comes_from_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment is read by the alias, and where it says nothing the default holds."""
    monkeypatch.setenv("EXAMPLE_WORKERS", "7")
    settings = Example.load()
    assert (settings.workers, settings.bind) == (7, "127.0.0.1:8080")


def test_a_setting_comes_from_the_file_its_variable_names(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """NAME_FILE points at a file that holds the value, as mounted secrets do; its last newline is no part of it."""
    (tmp_path / "key").write_text("from a file\n", encoding="utf-8")
    (tmp_path / "workers").write_text("3\n", encoding="utf-8")
    monkeypatch.setenv("EXAMPLE_KEY_FILE", str(tmp_path / "key"))
    monkeypatch.setenv("EXAMPLE_WORKERS_FILE", str(tmp_path / "workers"))
    settings = Example.load()
    assert settings.key.get_secret_value() == "from a file"
    assert settings.workers == 3


def test_the_variable_wins_over_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A value stated directly is not overridden by a file."""
    (tmp_path / "key").write_text("from a file", encoding="utf-8")
    monkeypatch.setenv("EXAMPLE_KEY_FILE", str(tmp_path / "key"))
    monkeypatch.setenv("EXAMPLE_KEY", "direct")
    assert Example.load().key.get_secret_value() == "direct"


def test_an_argument_wins_over_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the caller states holds, by field name."""
    monkeypatch.setenv("EXAMPLE_WORKERS", "7")
    assert Example.load(workers=2).workers == 2


def test_a_variable_named_like_a_file_that_is_none_of_ours_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other programs' *_FILE variables are not opened."""
    monkeypatch.setenv("SOMETHING_ELSE_FILE", "/does/not/exist")
    assert Example.load().workers == 1


def test_a_missing_file_names_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that isn't there is a wrong setting, said by the variable's name, in one line."""
    monkeypatch.setenv("EXAMPLE_KEY_FILE", "/does/not/exist")
    message = why_not()
    assert "EXAMPLE_KEY_FILE" in message
    assert "\n" not in message


def test_a_file_of_other_bytes_names_its_variable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A secret file that is no text is a wrong setting that shows none of its bytes."""
    (tmp_path / "key").write_bytes(b"\xff\xfe secret")
    monkeypatch.setenv("EXAMPLE_KEY_FILE", str(tmp_path / "key"))
    message = why_not()
    assert "EXAMPLE_KEY_FILE" in message
    assert "secret" not in message
    assert "0xff" not in message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("EXAMPLE_WORKERS", "many"),
        ("EXAMPLE_WORKERS", "0"),
        ("EXAMPLE_WORKERS", "65"),
        ("EXAMPLE_BIND", "8080"),
        ("AUTOPAY_ENV", "staging"),
        ("AUTOPAY_LOG_LEVEL", "chatty"),
        ("AUTOPAY_DRAIN_GRACE_S", "-1"),
    ],
)
def test_a_wrong_value_names_its_variable(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """The message says which variable is wrong and what is expected, in one line."""
    monkeypatch.setenv(name, value)
    message = why_not()
    assert name in message
    assert "\n" not in message


def test_all_wrong_values_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two mistakes take one start to find."""
    monkeypatch.setenv("EXAMPLE_WORKERS", "many")
    monkeypatch.setenv("EXAMPLE_BIND", "8080")
    message = why_not()
    assert "EXAMPLE_WORKERS" in message
    assert "EXAMPLE_BIND" in message


def test_a_wrong_secret_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """A value that can't be read may be a secret: it is never repeated."""
    monkeypatch.setenv("EXAMPLE_PIN", "hunter2")
    message = why_not()
    assert "EXAMPLE_PIN" in message
    assert "hunter2" not in message


def test_a_rule_over_several_settings_says_its_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """What only the settings together get wrong is said in the rule's own words."""
    monkeypatch.setenv("AUTOPAY_ENV", "production")
    assert "EXAMPLE_KEY is needed in production" in why_not()


def test_a_secret_is_not_in_the_settings_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """Printing or logging the settings shows no secret."""
    monkeypatch.setenv("EXAMPLE_KEY", "hunter2")
    settings = Example.load()
    assert "hunter2" not in f"{settings!r} {settings} {settings.model_dump_json()}"


def test_settings_do_not_change() -> None:
    """A field can't be set after the settings were read."""
    settings = Example.load()
    with pytest.raises(ValidationError):
        settings.workers = 2  # type: ignore[misc]  # that is what is tested


def test_production_is_off_unless_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process is in development unless AUTOPAY_ENV says production."""
    assert not Example.load().production
    monkeypatch.setenv("AUTOPAY_ENV", "production")
    monkeypatch.setenv("EXAMPLE_KEY", "long enough")
    assert Example.load().production


def test_every_variable_is_listed_with_its_description() -> None:
    """`environment_names` is the whole list that env.example and `autopay doctor` are held against."""
    names = environment_names(Example)
    assert names["EXAMPLE_KEY"] == "The key."
    assert {"AUTOPAY_ENV", "AUTOPAY_LOG_LEVEL", "EXAMPLE_BIND", "EXAMPLE_WORKERS"} <= set(names)
    assert all(names.values())


def test_the_environment_without_a_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    """`environment_without` leaves out the variables that begin with a prefix, and only those."""
    monkeypatch.setenv("EXAMPLE_KEY", "x")
    monkeypatch.setenv("OTHER_KEY", "y")
    rest = environment_without("EXAMPLE_")
    assert "EXAMPLE_KEY" not in rest
    assert rest["OTHER_KEY"] == "y"


@pytest.mark.parametrize("address", ["127.0.0.1:0", "0.0.0.0:65535", "[::1]:8080", "edge.local:80"])
def test_an_address_is_host_and_port(address: str) -> None:
    """Names, IPv4 and bracketed IPv6 are addresses, with a port from 0 to 65535."""
    assert Example.load(bind=address).bind == address


@given(st.text(max_size=20).filter(lambda text: ":" not in text))
def test_text_without_a_port_is_no_address(text: str) -> None:
    """Whatever has no colon is refused."""
    assert "bind" in why_not(bind=text).lower()


@pytest.mark.parametrize("address", ["", ":80", "host:", "host:65536", "host:-1", "host:٣", "host:8²"])
def test_what_only_looks_like_an_address_is_none(address: str) -> None:
    """A missing host or port, a port too high, and digits of other scripts are refused."""
    assert "host:port" in why_not(bind=address)
