"""The readable page of the API: one HTML document made from the OpenAPI description, without any other file."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from types import MappingProxyType
from urllib.parse import urlencode

from jinja2 import Environment, PackageLoader
from markupsafe import Markup, escape

from rest_bridge.openapi import Node
from rest_bridge.samples import example

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8882; --accent: #2a7de1; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 64rem; padding: 1.5rem;
  display: grid; grid-template-columns: 14rem minmax(0, 1fr); gap: 0 2rem; }
header { grid-column: 1 / 3; border-bottom: 1px solid var(--line); margin-bottom: 1rem; }
small { font-weight: normal; opacity: .6; }
nav { position: sticky; top: 1rem; align-self: start; font-size: 14px; }
nav h2 { font-size: 13px; text-transform: uppercase; opacity: .6; margin: 1rem 0 .2rem; }
nav ul { list-style: none; margin: 0; padding: 0; }
a { color: var(--accent); text-decoration: none; }
section { border-bottom: 1px solid var(--line); padding-bottom: 1rem; margin-bottom: 1rem; }
h3 { font-family: ui-monospace, monospace; margin-bottom: .3rem; }
.method { color: var(--accent); }
table { border-collapse: collapse; width: 100%; font-size: 14px; }
th { text-align: left; font-weight: normal; opacity: .6; }
td { border-top: 1px solid var(--line); padding: .25rem .75rem .25rem 0; vertical-align: top; }
code, pre { font: 13px/1.5 ui-monospace, monospace; background: var(--soft); border-radius: 3px; padding: 0 .25em; }
pre { padding: .5rem .75rem; white-space: pre-wrap; overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; font-size: 14px; }
dd { margin: 0; }
em { color: #d2691e; font-style: normal; font-size: 12px; }
@media (max-width: 48rem) { body { display: block; } nav { position: static; } }
"""
_CODE = re.compile(r"`([^`]+)`")


def page(
    spec: Node, base: str, symbol: str = "AAPL", samples: Mapping[str, str] = MappingProxyType({}), token: bool = False
) -> tuple[bytes, int, dict[str, str], str]:
    """The page of an OpenAPI document as the arguments of a Response. Its examples begin with `base`, scheme and host of the
    bridge for its reader, ask for `symbol`, and send a token if one is set; `samples` are answers by path. A browser may load
    nothing but its own style."""
    templates = Environment(loader=PackageLoader("rest_bridge"), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    templates.filters["marked"] = _marked
    shapes = _Shapes(spec)
    html = templates.get_template("docs.html").render(
        spec=spec,
        style=Markup(_STYLE),
        base=base,
        token_words=Markup(" -H &quot;Authorization: Bearer $TAPEWATCH_TOKEN&quot;") if token else "",
        samples=samples,
        operations=lambda tag: _operations(spec, tag),
        example=lambda operation: _example(operation, symbol),
        shape=shapes.shape,
        members=shapes.members,
        errors=_errors(spec),
    )
    digest = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return html.encode(), 200, {"Content-Security-Policy": policy}, "text/html"


def _marked(text: str) -> Markup:
    """Words between backticks as code."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(text))))


def _operations(spec: Node, tag: str) -> list[tuple[str, str, Node]]:
    """Path, method and operation of all that carry the tag."""
    return [
        (path, method.upper(), operation)
        for path, item in spec["paths"].items()
        for method, operation in item.items()
        if tag in operation["tags"]
    ]


def _example(operation: Node, symbol: str) -> str:
    given = example([(p["name"], p["required"], p.get("example")) for p in operation["parameters"]], symbol)
    return "?" + urlencode(given, safe=":,") if given else ""


class _Shapes:
    """Schemas of a document in short."""

    def __init__(self, spec: Node) -> None:
        self._schemas: Node = spec["components"]["schemas"]

    def _resolved(self, schema: Node) -> Node:
        found: Node = self._schemas[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
        return found

    def shape(self, schema: Node) -> str:
        """``[{"t", "velocity"}]``."""
        schema = self._resolved(schema)
        if schema.get("type") == "array":
            return f"[{self.shape(schema['items'])}]"
        if schema.get("type") == "object" and schema.get("properties"):
            inner = [
                f'"{name}": {self.shape(member)}' if self._nested(member) else f'"{name}"'
                for name, member in schema["properties"].items()
            ]
            return "{" + ", ".join(inner) + "}"
        return "{…}" if schema.get("type") == "object" else "…"

    def members(self, schema: Node) -> list[tuple[str, str]]:
        """The members anywhere in a schema that have a description."""
        schema = self._resolved(schema)
        if schema.get("type") == "array":
            return self.members(schema["items"])
        found: list[tuple[str, str]] = []
        for name, member in schema.get("properties", {}).items():
            if "description" in member:
                found.append((name, member["description"]))
            found += self.members(member) if self._nested(member) else []
        return found

    def _nested(self, schema: Node) -> bool:
        return "$ref" in schema or schema.get("type") in ("array", "object")


def _errors(spec: Node) -> list[tuple[str, str]]:
    used: dict[str, str] = {}
    for item in spec["paths"].values():
        for operation in item.values():
            for status, response in operation["responses"].items():
                if "$ref" in response:
                    used[status] = spec["components"]["responses"][response["$ref"].rpartition("/")[2]]["description"]
    return sorted(used.items())
