"""Text that people and machines put into settings: what a paste, a .env file or Kubernetes leaves around it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

PREFIX = "TAPEWATCH_"

#: Variables that Kubernetes sets in every container for a Service whose name begins with `tapewatch`.
_SERVICE = re.compile(
    rf"{PREFIX}(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)"
)
#: Another of them, which may have the name of a setting (TAPEWATCH_BRIDGE_PORT) but never its value.
_SERVICE_URL = re.compile(rf"{PREFIX}(\w+_)?PORT"), re.compile(r"(tcp|udp|sctp)://")


class Unreadable(ValueError):
    """A text that cannot be meant as it is; the message is a part of a sentence and never holds the text."""


def of_kubernetes(environ: Mapping[str, str]) -> list[str]:
    """The variables of `environ` that Kubernetes made of its Services: no settings, though they begin with TAPEWATCH_."""
    name, value = _SERVICE_URL
    return sorted(
        variable
        for variable, text in environ.items()
        if _SERVICE.fullmatch(variable) or (name.fullmatch(variable) and value.match(text))
    )


def cleaned(text: str, *, quoted: bool = False) -> str:
    """The text without the white space and line ends around it; with `quoted` also without one pair of quotes around it.

    Raises Unreadable for a character that cannot be seen (a zero-width space, a control character): it was not meant.
    """
    text = text.strip().strip("\ufeff").strip()
    if quoted and len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        text = text[1:-1].strip()
    for character in text:
        if unicodedata.category(character) in ("Cc", "Cf", "Zl", "Zp"):
            raise Unreadable(f"holds a character that cannot be seen (U+{ord(character):04X}): enter it anew by hand")
    return text


#: The password of a URL's user: up to the last @, as one that was not quoted may hold one.
_USER = re.compile(r"(?<=://)([^@/:]*):.*@")
#: A secret in a URL's query.
_QUERY = re.compile(r"(?i)([?&;]\w*(?:password|passwd|pwd|token|secret|api_?key)=)([^&;#]*)")
MASK = "***"


def masked_url(url: str) -> str:
    """The URL with `***` for its user's password and for secrets in its query."""
    return _QUERY.sub(rf"\1{MASK}", _USER.sub(rf"\1:{MASK}@", url))


def query_secrets(url: str) -> list[str]:
    """The secrets in a URL's query, as they are written there."""
    return [secret for _, secret in _QUERY.findall(url) if secret]
