"""Writes the tables of docs/api.md: endpoints from the OpenAPI document, and what is not provided.

python docs/api_table.py            # say whether docs/api.md is up to date (exit 1 when not)
python docs/api_table.py --write
"""

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from modelscan_catalog.api.app import create_app
from modelscan_catalog.api.snapshot import Served
from modelscan_catalog.registry import published_dir
from modelscan_catalog.settings import REPOSITORY_ROOT, Settings

DOCUMENT = REPOSITORY_ROOT / "docs" / "api.md"
PROMISED = REPOSITORY_ROOT / "registry" / "contracts" / "promised.json"
ROUTER = (
    ("POST", "/v1/chat/completions", "clients", "Ask a model, streamed or whole, in OpenAI's format"),
    ("POST", "/v1/completions", "clients", "The same for plain prompts"),
    ("POST", "/v1/embeddings", "clients", "Embeddings"),
    ("POST", "/v1/messages", "clients", "Ask a model in Anthropic's format"),
    ("GET", "/v1/models", "clients", "Models that can be asked now"),
    ("GET", "/v1/models/{model}", "clients", "One of them, by id or alias"),
    ("POST", "/route", "clients", "Which model would take a query, with fallbacks, cost and reasons"),
    ("POST", "/route/refinement", "clients", "The same for a refinement within its budget"),
    ("GET", "/classify", "clients", "Class of a query: simple, technical, research, multimedia"),
    ("GET", "/api/stats", "operators", "Usage, cost, latency and success by model, target, class and key"),
    ("GET", "/api/keys", "operators", "Keys by prefix and hash, with their use and rest"),
    ("POST", "/api/keys/add", "operators", "Use one more key, given by reference"),
    ("GET", "/api/splits", "operators", "Canary and shadow splits in force"),
    ("GET", "/api/targets", "operators", "Health of the targets that were asked or probed"),
)
"""The router's endpoints; it speaks OpenAI's and Anthropic's formats, whose documents are theirs."""
_METHODS = ("get", "post", "put", "delete")


def _query(told: dict[str, Any]) -> str:
    """The parameters of one operation, without those of every list, as a query without values."""
    names = [part["name"] for part in told.get("parameters", ()) if part["in"] == "query"]
    own = [name for name in names if name not in ("page", "per_page")]
    return f"?{'&'.join(own)}" if own else ""


def endpoint_table(openapi: dict[str, Any]) -> str:
    """A row an operation, by tag and path."""
    rows = []
    for path, operations in openapi["paths"].items():
        for method in (name for name in _METHODS if name in operations):
            told = operations[method]
            who = "operators" if "401" in told["responses"] else "all"
            asked = (method.upper(), f"{path}{_query(told)}")
            rows.append((told.get("tags", [""])[0], path, asked, who, told.get("summary", "")))
    text = ["| | endpoint | for | what |", "|---|---|---|---|"]
    text += [f"| {tag} | `{' '.join(asked)}` | {who} | {what} |" for tag, _, asked, who, what in sorted(rows)]
    text += [f"| router | `{method} {path}` | {who} | {what} |" for method, path, who, what in ROUTER]
    return "\n".join(text)


def missing_table() -> str:
    """What other projects' documents promise and this one does otherwise."""
    promised = json.loads(PROMISED.read_text("utf-8"))
    rows = [(f"`{row['method']} {row['path']}`", row) for row in promised["endpoints"]]
    rows += [(f"`{row['command']}`", row) for row in promised["commands"]]
    rows += [(row["what"], row) for row in promised["others"]]
    told = [f"| {what} | {row['because']} |" for what, row in rows if "because" in row]
    return "\n".join(["| promised | instead |", "|---|---|", *told])


def replaced(document: str, name: str, table: str) -> str:
    """``document`` with ``table`` between its marks of that name."""
    start, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    head, _, rest = document.partition(start)
    return f"{head}{start}\n{table}\n{end}{rest.partition(end)[2]}"


def current(document: str) -> str:
    """``document`` with both tables as they are now."""
    with TemporaryDirectory() as scratch:
        app = create_app(Served(published_dir()), None, Settings(data_dir=Path(scratch)))
        document = replaced(document, "endpoints", endpoint_table(app.openapi()))
    return replaced(document, "otherwise", missing_table())


def main() -> None:
    """Write or compare."""
    before = DOCUMENT.read_text("utf-8")
    after = current(before)
    if "--write" in sys.argv:
        DOCUMENT.write_text(after, "utf-8")
    elif before != after:
        raise SystemExit("docs/api.md is not up to date; run: python docs/api_table.py --write")


if __name__ == "__main__":
    main()
