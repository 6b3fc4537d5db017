"""What answers are made of. OpenAPI's schemas are made of these types, so an answer is described where it is written."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

Time = Annotated[int, Meta(description="epoch milliseconds UTC")]
Count = Annotated[int, Meta(ge=0)]
SymbolOfList = Annotated[str, Meta(description="only where a list of symbols was asked for")]


class Answer(msgspec.Struct, forbid_unknown_fields=True):
    """An object in an answer; it has the members that are written here and no others."""


class Problem(Answer):
    code: Annotated[str, Meta(description="for programs")]
    message: Annotated[str, Meta(description="for people")]


class Error(Answer):
    """The body of every answer that is not a success."""

    error: Problem


class Status(Answer):
    status: str
