"""Makes the replica set and our roles and users in it, then stays: for a container beside each mongod.

Only the one beside member 0 does anything. Everything is looked at first, so that it may be killed anywhere and run
again. MONGO_HOSTS lists the members, MONGO_CA is the authority's PEM file, MONGO_ADMIN_PASSWORD the password that the
user `admin` gets; the users' own are what apply.py reads.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import apply
from pymongo import MongoClient
from pymongo.errors import NotPrimaryError, OperationFailure, PyMongoError

_ALREADY_INITIALIZED: Final = 23
# What the first user's maker is told once there is one: anonymous calls end with it.
_USERS_EXIST: Final = frozenset({13, 51_003})
_WAIT_S_MAX: Final = 300.0
_DONE: Final = Path(os.environ.get("TMPDIR", "/tmp")) / "done"  # noqa: S108 - a scratch volume of the container's own

Client = MongoClient[dict[str, Any]]


def initiate(hosts: Sequence[str], *, authority: str, admin_password: str, passwords: dict[str, str]) -> list[str]:
    """Make what is missing of the set, its administrator, and our roles and users; return a line for each of these.

    Args:
        hosts: the members; the first is the one on this machine, and is preferred as primary.
        authority: PEM file of who signed their certificates.
        admin_password: of the user `admin`.
        passwords: of our users, by their names.

    Raises:
        TimeoutError: there is no primary, or it can't be reached.
    """
    tls: dict[str, Any] = {"tls": True, "tlsCAFile": authority, "serverSelectionTimeoutMS": 5_000}
    port = hosts[0].rpartition(":")[2]
    members = [{"_id": index, "host": host, "priority": 1 if index else 2} for index, host in enumerate(hosts)]
    # Over loopback, and only until the first user is there, mongod lets anybody do these two things.
    with Client("localhost", int(port), directConnection=True, **tls) as local:
        _until(lambda: _make_set(local, members), "mongod took no configuration")
        _until(lambda: _is_led(local), "the set has no primary")
        _make_administrator(local, admin_password)
    url = f"mongodb://admin:{quote(admin_password, safe='')}@{','.join(hosts)}/admin?replicaSet=rs0"
    with Client(url, **tls) as client:
        return apply.apply(client["autopay"], passwords)


def _make_set(local: Client, members: list[dict[str, Any]]) -> bool:
    if local.admin.command("hello").get("setName"):
        return True
    try:
        local.admin.command("replSetInitiate", {"_id": "rs0", "members": members})
    except OperationFailure as error:
        # Others of its kind mean that a member isn't up yet.
        return error.code == _ALREADY_INITIALIZED
    return True


def _is_led(local: Client) -> bool:
    hello = local.admin.command("hello")
    return bool(hello.get("isWritablePrimary")) or hello.get("primary") not in (None, hello.get("me"))


def _make_administrator(local: Client, password: str) -> None:
    try:
        local.admin.command("createUser", "admin", pwd=password, roles=["root"])
    except NotPrimaryError:
        # Another member leads, so the set is not new, and its users are there.
        return
    except OperationFailure as error:
        if error.code not in _USERS_EXIST:
            raise


def _until(done: Callable[[], bool], trouble: str) -> None:
    deadline = time.monotonic() + _WAIT_S_MAX
    while True:
        try:
            if done():
                return
        except PyMongoError as error:
            trouble = f"{trouble} ({type(error).__name__})"[:200]
        if time.monotonic() > deadline:
            raise TimeoutError(trouble)
        time.sleep(0.5)


def main() -> int:
    """Do it where this is the first member, then wait to be stopped."""
    hosts = os.environ["MONGO_HOSTS"].split(",")
    if hosts[0].startswith(os.environ["POD_NAME"] + "."):
        passwords = {name: os.environ.get(apply.variable(name), "") for name in apply.users()}
        lines = initiate(
            hosts,
            authority=os.environ["MONGO_CA"],
            admin_password=os.environ["MONGO_ADMIN_PASSWORD"],
            passwords=passwords,
        )
        sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()
    _DONE.touch()
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
