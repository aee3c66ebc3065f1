"""The functions of docs/frontend.md, run by node against a service and against files on a file host."""

import asyncio
import json
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from modelscan_catalog.settings import REPOSITORY_ROOT

sys.path.append(str(REPOSITORY_ROOT / "tests" / "unit" / "service"))
from service_samples import loader, publish, serving

NODE = shutil.which("node")
PAGE = REPOSITORY_ROOT / "docs" / "frontend.md"
TWIN = REPOSITORY_ROOT / "registry" / "published" / "api"
ASK = """
import * as page from %s;
const [base, files] = process.argv.slice(2);
const told = async (act) => { try { await act(); return null; } catch (error) { return error.message; } };
const models = await page.loadModels(base);
console.log(JSON.stringify({
  models,
  defaults: await page.loadDefaults(base, models[0].value),
  fits: await page.canServe(base, "Qwen/Qwen3-8B", "rtx-4090"),
  closed: await page.canServe(base, "openai/gpt-4o", ""),
  unknown: await told(() => page.loadModels(base, "no-such")),
  file: (await page.loadModel(files, "alibaba/qwen3-8b")).model.id,
}));
"""


@contextmanager
def _file_host() -> Iterator[str]:
    handler = partial(_Quiet, directory=str(TWIN))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the page's functions answer."""
    if NODE is None:
        pytest.skip("NOT TESTED: node is not installed")
    folder = tmp_path_factory.mktemp("frontend")
    module, ask = folder / "page.mjs", folder / "ask.mjs"
    module.write_text("\n".join(re.findall(r"```js\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)), "utf-8")
    ask.write_text(ASK % json.dumps(module.as_uri()), "utf-8")
    publish(folder / "published", "http://127.0.0.1:9")
    return asyncio.run(_asked(folder, ask))


async def _asked(folder: Path, ask: Path) -> dict[str, Any]:
    with _file_host() as files:
        async with serving(loader(folder)) as (session, _):
            base = str((await session.get("/health")).url.origin())
            done = await asyncio.to_thread(
                subprocess.run,
                [str(NODE), str(ask), base, files],
                capture_output=True,
                text=True,
                timeout=120,
            )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_list_of_models_fills_a_choice(said: dict[str, Any]) -> None:
    assert said["models"]
    assert all(set(model) == {"value", "label", "vram", "tags"} for model in said["models"])


def test_a_forms_defaults_come_with_a_model(said: dict[str, Any]) -> None:
    assert set(said["defaults"]) == {"contextLength", "gpus", "hyperparameters", "isVision"}
    assert said["defaults"]["isVision"] is False


def test_what_cannot_be_served_comes_with_its_reason_and_what_can_with_none(said: dict[str, Any]) -> None:
    assert said["fits"] is None
    assert "closed" in said["closed"]


def test_a_refusal_is_an_error_with_the_servers_message(said: dict[str, Any]) -> None:
    assert "'no-such' is unknown" in said["unknown"]


def test_the_files_of_a_file_host_hold_the_same(said: dict[str, Any]) -> None:
    assert said["file"] == "alibaba/qwen3-8b"
