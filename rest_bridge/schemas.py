"""JSON schemas of answers, for OpenAPI and for the tests that hold every answer against them."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

TIME: Schema = {"type": "integer", "description": "epoch milliseconds UTC"}
NUMBER: Schema = {"type": "number"}
COUNT: Schema = {"type": "integer", "minimum": 0}
TEXT: Schema = {"type": "string"}
FLAG: Schema = {"type": "boolean"}
NUMBER_OR_NULL: Schema = {"type": ["number", "null"]}


def record(
    required: dict[str, Schema], optional: dict[str, Schema] | None = None, more: Schema | None = None
) -> Schema:
    """An object with these members; `more` is the schema of members with other names (none when it is None)."""
    return {
        "type": "object",
        "properties": {**required, **(optional or {})},
        "required": list(required),
        "additionalProperties": False if more is None else more,
    }


def rows(item: Schema) -> Schema:
    return {"type": "array", "items": item}


CANDLE_MEMBERS: dict[str, Schema] = {
    "t": {**TIME, "description": "start of the candle, epoch milliseconds UTC"},
    "o": NUMBER,
    "h": NUMBER,
    "l": NUMBER,
    "c": NUMBER,
    "v": {"type": "number", "minimum": 0, "description": "volume; may be fractional"},
    "vw": {**NUMBER_OR_NULL, "description": "volume-weighted average price; null where it is not known"},
}
SYMBOL_OF_LIST: dict[str, Schema] = {"symbol": {**TEXT, "description": "only where a list of symbols was asked for"}}

ERROR = record({"error": record({"code": TEXT, "message": TEXT})})
