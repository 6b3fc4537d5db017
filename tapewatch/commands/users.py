"""`tapewatch users apply|show`: Redis users, one for each process, with the least rights that it needs."""

from __future__ import annotations

import argparse
import os
import secrets
import sys
import tempfile
from pathlib import Path

from redis import Redis

from redis_functions.contract import access
from redis_functions.contract.access import USERS, User
from redis_functions.lua import loader
from tapewatch.cli import CannotGoOn
from tapewatch.commands._store import with_store
from tapewatch.settings import PREFIX, Settings

HELP = "create Redis users with the least rights of each process, or show their rules"

#: The variable that gives a process the address of Redis and its login.
URL_VARIABLE = f"{PREFIX}REDIS_URL"
#: A client that reaches Redis can try a million passwords a minute.
SHORTEST_PASSWORD = 12


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "action",
        choices=("apply", "show"),
        help="apply: create or update them in Redis (idempotent); show: print the rules, without passwords",
    )
    parser.add_argument(
        "--user",
        nargs="+",
        choices=USERS,
        default=list(USERS),
        metavar="NAME",
        help=f"only these of {', '.join(USERS)}",
    )
    parser.add_argument(
        "--write",
        type=Path,
        metavar="FILE",
        help=f"set {URL_VARIABLE} in this environment file (0600) and print no password; a folder: in NAME.env there",
    )
    parser.add_argument(
        "--new-passwords", action="store_true", help="also for users that have one and are not given another"
    )


def run(args: argparse.Namespace, settings: Settings) -> int:
    users = [USERS[name] for name in dict.fromkeys(args.user)]
    if args.action == "show":
        print(access.described(users))
        return 0
    given = _given(users, settings)
    files = _files(users, args.write)
    return with_store(settings, lambda client: _apply(client, settings, users, given, files, args.new_passwords))


def _given(users: list[User], settings: Settings) -> dict[str, str]:
    """The passwords that the settings give. Raises CannotGoOn when one is too short."""
    given = {user.name: str(getattr(settings, f"password_{user.name}")) for user in users}
    for name, password in given.items():
        if 0 < len(password) < SHORTEST_PASSWORD:
            raise CannotGoOn(f"{PREFIX}PASSWORD_{name.upper()} must have at least {SHORTEST_PASSWORD} characters")
    return {name: password for name, password in given.items() if password}


def _files(users: list[User], target: Path | None) -> dict[str, Path]:
    """The file for each user's URL. Raises CannotGoOn if one cannot be written, before any password is set."""
    if target is None:
        return {}
    if target.is_dir():
        return {user.name: target / f"{user.name}.env" for user in users}
    if len(users) > 1:
        raise CannotGoOn(f"{target} can be the file of one user only: give --user NAME, or an existing folder")
    if not target.absolute().parent.is_dir():
        raise CannotGoOn(f"there is no folder {target.absolute().parent}")
    return {users[0].name: target}


def _apply(
    client: Redis, settings: Settings, users: list[User], given: dict[str, str], files: dict[str, Path], renew: bool
) -> int:
    for user in users:
        password = given.get(user.name)
        if password is None and (renew or not access.exists(client, user.name)):
            password = secrets.token_urlsafe(32)
        url = "" if password is None else access.url_for(settings.store_url, user.name, password)
        if url and user.name in files:
            # The file first: a password that only Redis has would be lost.
            try:
                write(files[user.name], url)
            except OSError as error:
                print(f"tapewatch: cannot write {files[user.name]}: {error.strerror}", file=sys.stderr)
                return 1
        access.apply(client, user, password)
        _report(user.name, url, user.name in given, files.get(user.name))
    # Those users may not load it: a function runs with the rights of its caller.
    if (loaded := loader.ensure(client)).changed:
        _note(f"the Redis Functions of this version ({loaded.version}) are loaded")
    if not access.save(client):
        _note("this Redis has no aclfile: after its restart the users are gone until `tapewatch users apply`")
    if access.default_is_open(client):
        _note(
            "a client without a name may still do everything: give the user `default` a password (ACL SETUSER default …)"
        )
    return 0


def _report(name: str, url: str, given: bool, file: Path | None) -> None:
    if url and file:
        print(f"{name}: applied, {URL_VARIABLE} is in {file}")
    elif given:
        print(f"{name}: applied with the password of {PREFIX}PASSWORD_{name.upper()}")
    elif url:
        print(f"{name}: applied, {URL_VARIABLE}={url}")
    else:
        left = f" and {file} is left as it is" if file else ""
        print(f"{name}: applied, its password stays{left} (--new-passwords makes another)")


def _note(text: str) -> None:
    print(f"tapewatch: note: {text}", file=sys.stderr)


def write(file: Path, url: str) -> None:
    """Sets the variable in the environment file, which is then for its owner only; other lines stay. Raises OSError."""
    kept = []
    if file.exists():
        kept = [line for line in file.read_text().splitlines() if not line.startswith(f"{URL_VARIABLE}=")]
    # Written beside the file (mode 0600 from the start), then moved over it.
    handle, made = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.absolute().parent)
    try:
        with os.fdopen(handle, "w") as out:
            out.write("".join(f"{line}\n" for line in [*kept, f"{URL_VARIABLE}={url}"]))
        os.replace(made, file)
    except OSError:
        Path(made).unlink(missing_ok=True)
        raise
