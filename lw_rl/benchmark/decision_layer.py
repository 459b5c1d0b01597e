"""What the decision layer was made of before and after it was simplified, and what that did.

``python -m lw_rl.benchmark.decision_layer examples/decision_layer.json examples/docs/trust.md``
counts what there is now and writes both into the page. The result file holds what there was, and of
every rule that fell away what its removal did to the rates when it was judged.
"""

from __future__ import annotations

import ast
import json
import sys
from dataclasses import fields
from importlib import resources
from pathlib import Path

from ..files import Json
from ..schemes.safeguarded import SafeguardState
from .readme import renew_block

__all__ = ["counted", "main", "markdown"]


def counted() -> dict[str, int]:
    """Return the size of the layer as it is, by what the result file calls it."""
    safeguard = resources.files("lw_rl.schemes").joinpath("safeguarded.py").read_text("utf-8")
    certificate = resources.files("lw_rl.certificate").joinpath("certificate.py").read_text("utf-8")
    return {
        "safeguard, lines": len(safeguard.splitlines()),
        "safeguard, fields of its state": len(fields(SafeguardState)),
        "certificate, attributes": len(_attributes(certificate, "Certificate")),
    }


def _attributes(source: str, name: str) -> set[str]:
    """Return the names that a class sets on its objects."""
    (kind,) = (
        node
        for node in ast.parse(source).body
        if isinstance(node, ast.ClassDef) and node.name == name
    )
    return {
        node.attr
        for node in ast.walk(kind)
        if isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Store)
        and isinstance(node.value, ast.Name)
        and node.value.id == "self"
    }


def markdown(found: Json) -> str:
    """Return the tables of a result file."""
    now = counted()
    lines = ["| | before | now |", "|---|--:|--:|"]
    for what, before in found["before"].items():
        # A test counts these, and says how.
        lines.append(f"| {what} | {before} | {now.get(what, found['at most'].get(what))} |")
    lines += ["", "| what fell away | judged on | what that did |", "|---|---|---|"]
    lines += [f"| {r['rule']} | {r['judged on']} | {r['effect']} |" for r in found["removed"]]
    return "\n".join(lines)


def main(path: str, page: str) -> None:
    """Write the tables of a result file into the block ``decision-layer`` of a page."""
    renew_block(Path(page), "decision-layer", markdown(json.loads(Path(path).read_text())))


if __name__ == "__main__":
    main(*sys.argv[1:3])
