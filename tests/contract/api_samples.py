"""A small published registry and an application over it, with state, for claims about the API."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient

from modelscan_catalog.api.app import create_app
from modelscan_catalog.api.snapshot import Served
from modelscan_catalog.router.usage import UsageStore
from modelscan_catalog.settings import Settings

ROWS = Path(__file__).parents[1] / "unit" / "registry" / "published_rows.json"
QWEN, MODEL = "Qwen/Qwen3-8B", "alibaba/qwen3-8b"
TOKEN = "not-a-real-one"
FIT = {
    "gpu": "rtx-4090",
    "columns": ["variant", "verdict", "count", "tp", "pp", "context"],
    "unsupported": {},
    "rows": [[QWEN, "fits", 2, 2, 1, 40960], ["deepseek-ai/DeepSeek-R1", "does_not_fit", 8, 8, 1, None]],
}


def publish(root: Path) -> Path:
    """The example rows as a registry whose index vouches for every file."""
    for folder in ("offers", "fit"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for name, value in json.loads(ROWS.read_text("utf-8")).items():
        text = "".join(json.dumps(row) + "\n" for row in value) if name.endswith("l") else json.dumps(value)
        (root / name).write_text(text, "utf-8")
    (root / "fit" / "rtx-4090.json").write_text(json.dumps(FIT))
    index = json.loads((root / "index.json").read_text())
    index["files"] = [
        {
            "path": path.relative_to(root).as_posix(),
            "bytes": path.stat().st_size,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        }
        for path in sorted(root.rglob("*.json*"))
        if path.name != "index.json"
    ]
    (root / "index.json").write_text(json.dumps(index))
    return root


@contextmanager
def serving_state(folder: Path, token: str | None = None, **settings: Any) -> Iterator[TestClient]:
    """A client of an application with its state and usage below ``folder``."""
    known = Settings(data_dir=folder / "data", **settings)
    usage = UsageStore(folder / "usage.sqlite")
    app = create_app(Served(publish(folder / "published")), token, known, usage, ("a warning",))
    try:
        with TestClient(app, raise_server_exceptions=False) as client:
            yield client
    finally:
        usage.close()


def refusal(answer: Any) -> dict[str, Any]:
    """The error of an answer in the one shape."""
    body = answer.json()
    assert set(body) == {"success", "error"}
    assert set(body["error"]) == {"code", "message", "field", "candidates"}
    assert body["success"] is False
    error: dict[str, Any] = body["error"]
    return error
