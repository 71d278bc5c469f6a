"""The port `GenerativeModel` over google-generativeai, on gRPC for asyncio: the transport that can be cancelled."""

from __future__ import annotations

import asyncio
from typing import Any

from services.insight.adapters.gemini_messages import failure_of, generation_config, read
from services.insight.model_ports import Generated, ModelDown, Prompt


class GeminiModel:
    """One model of the Gemini API. One per process: the package keeps its configuration in a global."""

    def __init__(self, *, api_key: str, name: str, endpoint: str = "") -> None:
        """Ask the model of this name, at Google or at another `endpoint` (host:port, TLS).

        Imports nothing yet: the package takes 0.4 s and 44 MiB.
        """
        self._api_key = api_key
        self._name = name
        self._endpoint = endpoint
        self._package: Any = None
        self._loading = asyncio.Lock()

    async def generate(self, prompt: Prompt, *, timeout_s: float) -> Generated:
        """Return its answer.

        Raises:
            ModelDown: there is none.
        """
        package = await self._loaded()
        model = package.GenerativeModel(self._name, system_instruction=prompt.instruction)
        try:
            # `timeout` as a number in a dictionary would keep a retry of the package's own, ten minutes long.
            async with asyncio.timeout(timeout_s):
                response = await model.generate_content_async(
                    prompt.data,
                    generation_config=generation_config(prompt),
                    request_options=package.types.RequestOptions(timeout=timeout_s, retry=None),
                )
        except TimeoutError:
            raise ModelDown("the model did not answer in time", code="timeout", retryable=False) from None
        except Exception as error:
            raise failure_of(error) from error
        return read(response.to_dict())

    async def _loaded(self) -> Any:
        async with self._loading:
            if self._package is None:
                package = await asyncio.to_thread(_imported)
                # Its client belongs to this loop, so it is configured here.
                package.configure(
                    api_key=self._api_key,
                    transport="grpc_asyncio",
                    client_options={"api_endpoint": self._endpoint} if self._endpoint else None,
                )
                self._package = package
            return self._package


def _imported() -> Any:
    import google.generativeai as package

    return package
