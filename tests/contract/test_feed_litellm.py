"""The published price map in the real LiteLLM: taken from its address, and every price as we have it.

LiteLLM lives in an environment of its own (``make test-gateways``); without it these claims are skipped.
"""

import json
import os
import subprocess
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from modelscan_catalog.settings import REPOSITORY_ROOT

GATEWAYS = os.environ.get("MODELSCAN_GATEWAYS")
FEEDS = REPOSITORY_ROOT / "registry" / "published" / "feeds"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(GATEWAYS is None, reason="MODELSCAN_GATEWAYS is not set: make test-gateways"),
]

READER = """
import json, sys, litellm
from litellm.litellm_core_utils.get_model_cost_map import get_model_cost_map_source_info
feed = json.load(open(sys.argv[1]))
wrong = []
for name, entry in feed.items():
    if entry["mode"] != "chat" or entry["litellm_provider"] in sys.argv[2:]:
        continue
    asked = litellm.cost_per_token(
        model=name, custom_llm_provider=entry["litellm_provider"], prompt_tokens=1000, completion_tokens=1000
    )
    ours = [1000 * entry.get(f"{side}_cost_per_token", 0) for side in ("input", "output")]
    if any(abs(theirs - our) > 1e-12 for theirs, our in zip(asked, ours)):
        wrong.append([name, asked, ours])
print(json.dumps({
    "source": get_model_cost_map_source_info(), "wrong": wrong, "entries": len(feed),
    "missing": [name for name in feed if name not in litellm.model_cost],
}, default=str))
"""


FREE_ANYWAY = ("huggingface",)
"""LiteLLM charges nothing for these and does not look into its map."""


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def read() -> dict[str, Any]:
    """What LiteLLM makes of the map that it reads from a file host."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(FEEDS)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_address[1]}/litellm.json"
        done = subprocess.run(
            [f"{GATEWAYS}/bin/python", "-c", READER, str(FEEDS / "litellm.json"), *FREE_ANYWAY],
            capture_output=True, text=True, timeout=300, check=False,
            env={**os.environ, "LITELLM_MODEL_COST_MAP_URL": url},
        )  # fmt: skip
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_litellm_takes_the_map_instead_of_its_own(read: dict[str, Any]) -> None:
    assert read["source"]["source"] == "remote"
    assert read["source"]["fallback_reason"] is None
    assert read["entries"] > 1000
    assert read["missing"] == []


def test_litellm_charges_what_the_seller_asks(read: dict[str, Any]) -> None:
    assert read["wrong"] == []
