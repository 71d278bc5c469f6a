"""Puts the roles and users of roles.json into MongoDB, or brings those that are there up to date.

MONGO_ADMIN_URL='mongodb://admin:…@host/admin?tls=true&tlsCAFile=ca.pem' \
AUTOPAY_LEDGER_PASSWORD=… AUTOPAY_INSIGHT_PASSWORD=… python deploy/mongodb/apply.py

A user whose password is not given keeps the one it has, and is not made where there is none.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any, Final

from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import OperationFailure, PyMongoError

_ROLES: Final = Path(__file__).with_name("roles.json")
_TAKEN: Final = frozenset({51_002, 51_003})
_UNKNOWN_USER: Final = 11


def apply(database: Database[dict[str, Any]], passwords: dict[str, str]) -> list[str]:
    """Make or update every role and user; return a line for each.

    Args:
        database: where they live, the one that the processes use.
        passwords: by the users' names.
    """
    wanted = json.loads(_ROLES.read_text(encoding="utf-8"))
    lines = []
    for role in wanted["roles"]:
        name, content = role["createRole"], {key: value for key, value in role.items() if key != "createRole"}
        lines.append(f"role {name}: {_put(database, 'Role', name, content)}")
    for user in wanted["users"]:
        name, content = user["createUser"], {"roles": user["roles"]}
        password = passwords.get(name)
        lines.append(f"user {name}: {_put_user(database, name, content, password)}")
    return lines


def _put(database: Database[dict[str, Any]], kind: str, name: str, content: dict[str, Any]) -> str:
    try:
        database.command({f"create{kind}": name, **content})
    except OperationFailure as error:
        if error.code not in _TAKEN:
            raise
        database.command({f"update{kind}": name, **content})
        return "updated"
    return "made"


def _put_user(database: Database[dict[str, Any]], name: str, content: dict[str, Any], password: str | None) -> str:
    if password:
        return _put(database, "User", name, {**content, "pwd": password})
    try:
        database.command({"updateUser": name, **content})
    except OperationFailure as error:
        if error.code != _UNKNOWN_USER:
            raise
        return f"not made, {variable(name)} is not set"
    return "updated, with the password it had"


def variable(user: str) -> str:
    """Return the environment variable that holds a user's password."""
    return user.upper().replace("-", "_") + "_PASSWORD"


def users() -> list[str]:
    """Return the names of the users."""
    return [user["createUser"] for user in json.loads(_ROLES.read_text(encoding="utf-8"))["users"]]


def main() -> int:
    """Apply to the MongoDB that MONGO_ADMIN_URL names, as whom it names."""
    url = os.environ.get("MONGO_ADMIN_URL", "")
    if not url:
        sys.stderr.write("MONGO_ADMIN_URL is not set\n")
        return 1
    passwords = {name: os.environ.get(variable(name), "") for name in users()}
    try:
        with MongoClient[dict[str, Any]](url, serverSelectionTimeoutMS=10_000) as client:
            lines = apply(client["autopay"], passwords)
    except PyMongoError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 1
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
