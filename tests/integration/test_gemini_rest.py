"""The same request and answer over REST, against llmock: somebody else's idea of the Gemini API."""

from __future__ import annotations

import asyncio
import importlib
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from autopay_cli.addresses import free_ports
from services.insight.adapters.gemini_messages import failure_of, generation_config, read
from services.insight.answer import Unusable
from services.insight.answer import read as read_answer
from services.insight.gemini_explainer import INSTRUCTION
from services.insight.model_ports import Prompt
from tests.integration.test_gemini_model import prompt
from tests.patience import until

VERSION: Final = "0.2.2"
# Kept beside our own packages, which it must not mix with, and gone with them.
HOME: Final = Path(sys.prefix) / f"llmock-{VERSION}"
_INSTALL_S_MAX: Final = 90

# It exports nothing explicitly, and its types forget what it takes.
package: Any = importlib.import_module("google.generativeai")

pytestmark = pytest.mark.timeout(150)
Serve = Callable[..., Any]


@pytest.fixture(scope="module")
def llmock() -> Path:
    """The program, installed into an environment of its own the first time."""
    program = HOME / "bin" / "llmock"
    if not (HOME / ".ready").exists():
        try:
            subprocess.run(
                [sys.executable, "-m", "venv", "--clear", str(HOME)], check=True, capture_output=True, timeout=60
            )
            install = [str(HOME / "bin" / "pip"), "--disable-pip-version-check", "install", "-q", f"llmock=={VERSION}"]
            subprocess.run(install, check=True, capture_output=True, timeout=_INSTALL_S_MAX)
        except (subprocess.SubprocessError, OSError) as error:
            pytest.skip(f"llmock can't be installed here: {error}")
        (HOME / ".ready").touch()
    return program


@contextmanager
def serving(program: Path, *options: str) -> Iterator[str]:
    """Run it on a free port; yields where."""
    port = free_ports(1)[0]
    command = [str(program), "serve", "-h", "127.0.0.1", "-p", str(port), *options]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def answers() -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/gemini/v1beta/models", timeout=2):
                return True
        except OSError as error:
            # An injected error is an answer, too.
            return hasattr(error, "code")

    try:
        asyncio.run(until(answers, within_s=60))
        yield f"http://127.0.0.1:{port}/gemini"
    finally:
        process.terminate()
        process.wait(20)


def asked(endpoint: str, wanted: Prompt) -> Any:
    """Ask as our adapter does, but for the transport, which has no asyncio over REST."""
    package.configure(api_key="k", transport="rest", client_options={"api_endpoint": endpoint})
    model = package.GenerativeModel("gemini-2.5-pro", system_instruction=wanted.instruction)
    options = package.types.RequestOptions(timeout=20, retry=None)
    return model.generate_content(wanted.data, generation_config=generation_config(wanted), request_options=options)


def test_a_success_is_read(llmock: Path) -> None:
    """An answer that is whole, with its usage; its text, which is no answer to our question, is refused."""
    with serving(llmock) as endpoint:
        generated = read(asked(endpoint, prompt()).to_dict())
    assert (generated.finish, generated.blocked) == ("STOP", "")
    assert generated.text
    assert generated.input_tokens > len(INSTRUCTION) // 100
    assert generated.output_tokens > 0
    with pytest.raises(Unusable):
        read_answer(generated.text, {"p1"})


def test_a_429_is_told_at_once(llmock: Path) -> None:
    """The package does not try again by itself, and its exception becomes ours."""
    with serving(llmock, "--error-rate", "429=1") as endpoint, pytest.raises(Exception, match="429") as refused:
        asked(endpoint, prompt())
    down = failure_of(refused.value)
    assert (down.code, down.retryable) == ("429", True)
