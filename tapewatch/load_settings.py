"""Reads the settings: the file, systemd's credentials over it, the environment over both."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec

from redis_functions.server.connection import check_url
from tapewatch.given_text import Unreadable, cleaned, of_kubernetes
from tapewatch.settings import CREDENTIALS, KEY_VARIABLES, PREFIX, SECRETS, About, BadSettings, Settings, check
from tapewatch.trusted_files import changeable_by_others


def load(config: Path | None, environ: Mapping[str, str]) -> Settings:
    """Reads the file (`tapewatch.toml` if it is there, when `config` is None), systemd's credentials over it, then the
    environment over both.

    Raises BadSettings with one line that names the file or variable.
    """
    values = {name: value for name, (value, _) in _gather(config, environ).items()}
    try:
        settings = msgspec.convert(values, Settings)
        if settings.redis_url:
            check_url(settings.redis_url)
    except ValueError as error:
        raise BadSettings(f"settings: {error}") from None
    check(settings)
    return settings


def sources(config: Path | None, environ: Mapping[str, str]) -> dict[str, str]:
    """Where each setting that has not its default was given: the file's or the variable's name."""
    return {name: source for name, (_, source) in _gather(config, environ).items()}


def _gather(config: Path | None, environ: Mapping[str, str]) -> dict[str, tuple[Any, str]]:
    """Name -> (value, source): the environment over credentials over the file, TAPEWATCH_API_KEY over the vendor's own."""
    path = config or Path("tapewatch.toml")
    found: dict[str, tuple[Any, str]] = {name: (value, str(path)) for name, value in _from_file(config).items()}
    found |= _from_credentials(environ.get("CREDENTIALS_DIRECTORY", ""))
    for variable in reversed(KEY_VARIABLES):
        if environ.get(variable):
            found["api_key"] = (environ[variable], variable)
    foreign = of_kubernetes(environ)
    for variable, text in environ.items():
        if variable.startswith(PREFIX) and variable not in foreign:
            name = variable[len(PREFIX) :].lower()
            if name not in Settings.__struct_fields__:
                raise BadSettings(f"{variable} is not a setting: `tapewatch config` lists them")
            if text.strip() or isinstance(getattr(Settings(), name), str):
                found[name] = (text, variable)  # an empty number or switch is one that was not given
    typed = {str(path)}  # values of the file have their types, all others are text
    return {name: (_read(name, value, source, source in typed), source) for name, (value, source) in found.items()}


def _from_file(config: Path | None) -> dict[str, Any]:
    path = config or Path("tapewatch.toml")
    if config is None and not path.exists():
        return {}
    try:
        if why := changeable_by_others(path):
            raise BadSettings(f"{path} cannot be trusted, {why}")
        # Editors on Windows write a byte-order mark first.
        values = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadSettings(f"{path}: {error}") from None
    for name in values:
        if name not in Settings.__struct_fields__:
            raise BadSettings(f"{path}: {name} is not a setting: `tapewatch config` lists them")
    return values


def _from_credentials(folder: str) -> dict[str, tuple[str, str]]:
    """What systemd laid down for this service: name -> (text, file)."""
    found = {}
    for name in CREDENTIALS if folder else ():
        path = Path(folder, name)
        if not path.exists():
            continue
        try:
            found[name] = (path.read_text(encoding="utf-8-sig"), str(path))
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            raise BadSettings(f"{path}: {why}") from None
        if not found[name][0].strip():
            raise BadSettings(f"{path}: the credential is empty")
    return found


def _read(name: str, value: Any, source: str, typed: bool) -> Any:
    """The value in the setting's type; unless it is `typed`, text is converted.

    Raises BadSettings that names the source and the valid values, never a secret.
    """
    field = next(f for f in msgspec.structs.fields(Settings) if f.name == name)
    if isinstance(value, str):
        try:
            value = cleaned(value, quoted=name in SECRETS or name.endswith("_url"))
        except Unreadable as error:
            raise BadSettings(f"{source}: {name} {error}") from None
    try:
        return msgspec.convert(value, field.type, strict=typed)
    except msgspec.ValidationError:
        shown = "" if name in SECRETS else f" {str(value)[:40]!r}"
        raise BadSettings(f"{source}:{shown} is not a valid value of {name}: {_valid(field.type)}") from None


def _valid(kind: Any) -> str:
    """The valid values of a field's type in words."""
    inner, about = get_args(kind) if get_origin(kind) is Annotated else (kind, About(""))
    if get_origin(inner) is Literal:
        return f"one of {', '.join(get_args(inner))}"
    if inner in (bool, bool | None):
        return "true or false"
    words = {int: "a whole number", float: "a number"}.get(inner, "text")
    return words if about.low is None else f"{words} from {about.low:g} to {about.high:g}"
