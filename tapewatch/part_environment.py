"""The environment of each part of `tapewatch run`: the secrets that it needs, and no other."""

from __future__ import annotations

from collections.abc import Mapping

from tapewatch.given_text import of_kubernetes
from tapewatch.settings import KEY_VARIABLES, PREFIX, SECRETS

#: Part -> the secret settings that it uses. The passwords of Redis users are `tapewatch users apply`'s alone.
NEEDED: dict[str, tuple[str, ...]] = {
    "redis": (),
    "simulate": (),
    "ingest": ("api_key",),
    "bridge": ("token",),
    "push": ("token",),
    "alerts": ("grafana_token",),
}


def of_part(part: str, environ: Mapping[str, str]) -> dict[str, str]:
    """`environ` without the secrets that the part does not use, and without Kubernetes' own variables."""
    hidden = {PREFIX + name.upper() for name in SECRETS if name not in NEEDED[part]} | set(of_kubernetes(environ))
    if "api_key" not in NEEDED[part]:
        hidden |= set(KEY_VARIABLES)
    return {name: value for name, value in environ.items() if name not in hidden}
