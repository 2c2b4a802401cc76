"""A small JSON Schema validator: the part of the language that our schema uses, no more."""

from __future__ import annotations

import re
from typing import Any

_TYPES = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
    "null": type(None),
}
_KNOWN = {
    "$defs",
    "$ref",
    "$schema",
    "additionalProperties",
    "anyOf",
    "default",
    "description",
    "enum",
    "items",
    "minimum",
    "pattern",
    "properties",
    "required",
    "title",
    "type",
}


def errors_of(
    value: Any, schema: dict[str, Any], root: dict[str, Any], path: str = "$"
) -> list[str]:
    """All places where a value is not as the schema says."""
    unknown = schema.keys() - _KNOWN
    if unknown:
        raise NotImplementedError(f"{path}: {unknown}")
    if "$ref" in schema:
        return errors_of(value, root["$defs"][schema["$ref"].rsplit("/", 1)[1]], root, path)
    if "anyOf" in schema:
        if any(not errors_of(value, option, root, path) for option in schema["anyOf"]):
            return []
        return [f"{path}: fits none of the alternatives"]
    if "enum" in schema and value not in schema["enum"]:
        return [f"{path}: not in {schema['enum']}"]
    wanted = schema.get("type")
    if wanted and (
        not isinstance(value, _TYPES[wanted]) or (isinstance(value, bool) and wanted != "boolean")
    ):
        return [f"{path}: is no {wanted}"]
    if "pattern" in schema and not re.search(schema["pattern"], value):
        return [f"{path}: does not match {schema['pattern']}"]
    if "minimum" in schema and value < schema["minimum"]:
        return [f"{path}: is below {schema['minimum']}"]
    return _errors_inside(value, schema, root, path)


def _errors_inside(
    value: Any, schema: dict[str, Any], root: dict[str, Any], path: str
) -> list[str]:
    found: list[str] = []
    if isinstance(value, list):
        for position, item in enumerate(value):
            found += errors_of(item, schema.get("items", {}), root, f"{path}[{position}]")
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        found += [
            f"{path}: lacks {name}" for name in schema.get("required", []) if name not in value
        ]
        for name, item in value.items():
            inner = properties.get(name, schema.get("additionalProperties", {}))
            if isinstance(inner, dict):
                found += errors_of(item, inner, root, f"{path}.{name}")
    return found
