"""What Google's client libraries ask before they call the Perspective API: its methods, with the address of this server."""

from __future__ import annotations

from typing import Any

from guard.formats import strict_json

_OBJECT = {"type": "object", "additionalProperties": {"type": "any"}}


def document(root: str) -> bytes:
    """Return the discovery document of version v1alpha1.

    Args:
        root: The server's address as the client knows it, ending in a slash.
    """
    methods = {"analyze": "AnalyzeComment", "suggestscore": "SuggestCommentScore"}
    schemas = [f"{name}{kind}" for name in methods.values() for kind in ("Request", "Response")]
    return strict_json.encode(
        {
            "kind": "discovery#restDescription",
            "discoveryVersion": "v1",
            "id": "commentanalyzer:v1alpha1",
            "name": "commentanalyzer",
            "version": "v1alpha1",
            "title": "Perspective Comment Analyzer API, answered by Tenet",
            "protocol": "rest",
            "rootUrl": root,
            "servicePath": "",
            "baseUrl": root,
            "batchPath": "batch",
            "parameters": {"key": {"type": "string", "location": "query"}, "alt": {"type": "string", "location": "query"}},
            "schemas": {name: {"id": name, **_OBJECT} for name in schemas},
            "resources": {"comments": {"methods": {name: _method(name, schema) for name, schema in methods.items()}}},
        }
    )


def _method(name: str, schema: str) -> dict[str, Any]:
    return {
        "id": f"commentanalyzer.comments.{name}",
        "path": f"v1alpha1/comments:{name}",
        "flatPath": f"v1alpha1/comments:{name}",
        "httpMethod": "POST",
        "parameters": {},
        "parameterOrder": [],
        "request": {"$ref": f"{schema}Request"},
        "response": {"$ref": f"{schema}Response"},
    }
