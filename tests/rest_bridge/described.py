"""Holds answers against the OpenAPI description: the part of JSON Schema that it uses."""

from __future__ import annotations

import math
from typing import Any

_TYPES: dict[str, tuple[type, ...]] = {
    "array": (list,),
    "object": (dict,),
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "boolean": (bool,),
    "null": (type(None),),
}
_KNOWN = {
    "type", "enum", "items", "properties", "required", "additionalProperties", "minimum", "maximum", "description",
    "default", "format", "$ref", "title", "anyOf", "maxLength",
}  # fmt: skip


def problems(value: Any, schema: dict[str, Any], spec: dict[str, Any], where: str = "$") -> list[str]:
    """Where `value` violates `schema`; raises on a schema word that is not understood here."""
    assert set(schema) <= _KNOWN, f"{where}: {set(schema) - _KNOWN}"
    if "$ref" in schema:
        target: Any = spec
        for word in schema["$ref"].removeprefix("#/").split("/"):
            target = target[word]
        return problems(value, target, spec, where)
    found: list[str] = []
    if "anyOf" in schema:
        tried = [problems(value, one, spec, where) for one in schema["anyOf"]]
        found += [] if [] in tried else [f"{where}: {value!r} is none of {schema['anyOf']}"]
    if "type" in schema:
        kinds = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
        allowed = tuple(kind for name in kinds for kind in _TYPES[name])
        if not isinstance(value, allowed) or (isinstance(value, bool) and bool not in allowed):
            return [f"{where}: {value!r} is not {kinds}"]
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{where}: {value!r} is not one of {schema['enum']}")
    if isinstance(value, int | float) and not isinstance(value, bool):
        low, high = schema.get("minimum", -math.inf), schema.get("maximum", math.inf)
        found += [] if math.isfinite(value) and low <= value <= high else [f"{where}: {value!r} is out of bounds"]
    if isinstance(value, list) and "items" in schema:
        for i, item in enumerate(value):
            found += problems(item, schema["items"], spec, f"{where}[{i}]")
    if isinstance(value, dict):
        found += _members(value, schema, spec, where)
    return found


def _members(value: dict[str, Any], schema: dict[str, Any], spec: dict[str, Any], where: str) -> list[str]:
    found = [f"{where}: {name} is missing" for name in schema.get("required", []) if name not in value]
    for name, member in value.items():
        described = schema.get("properties", {}).get(name, schema.get("additionalProperties", {}))
        if described is False:
            found.append(f"{where}: {name} is not described")
        else:
            found += problems(member, described, spec, f"{where}.{name}")
    return found
