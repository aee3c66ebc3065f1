"""Generated TypeScript compiles strictly and, run by Node.js, does what the contract asks.

Needs Node.js and a TypeScript compiler: ``tsc`` on the path, or ``MODELSCAN_TSC``.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from modelscan_catalog.onboarding.published import catalogue_of, stored_interfaces
from modelscan_catalog.sdk.contract import KEY, TEXT
from modelscan_catalog.sdk.interface import ProviderInterface
from modelscan_catalog.sdk.local_provider import LocalProvider
from modelscan_catalog.sdk.render import class_stem, module_name, write_base
from modelscan_catalog.settings import load_settings

TSC = os.environ.get("MODELSCAN_TSC") or shutil.which("tsc")
needs_tsc = pytest.mark.skipif(
    TSC is None or shutil.which("node") is None, reason="NOT CHECKED: generated TypeScript (no tsc, no node)"
)
CONFIG = {
    "compilerOptions": {
        "strict": True,
        "noUncheckedIndexedAccess": True,
        "noUnusedLocals": True,
        "target": "ES2022",
        "module": "NodeNext",
        "lib": ["ES2022", "DOM", "DOM.AsyncIterable"],
        "outDir": "js",
    },
    "include": ["*.ts"],
}
RUNNER = Path(__file__).with_name("sdk_typescript_runner.mjs")


@pytest.fixture(scope="module")
def interfaces() -> dict[str, ProviderInterface]:
    return {interface.provider: interface for interface in stored_interfaces(load_settings())}


@pytest.fixture(scope="module")
def compiled(interfaces: dict[str, ProviderInterface], tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("typescript")
    catalogue = catalogue_of(list(interfaces.values()), "typescript")
    assert len(catalogue.clients) >= 217
    for client in catalogue.clients:
        (directory / client.file).write_text(client.text)
    write_base(directory, "typescript")
    (directory / "tsconfig.json").write_text(json.dumps(CONFIG))
    (directory / "package.json").write_text('{"type": "module"}')
    done = subprocess.run([str(TSC), "-p", str(directory)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[:3000]
    return directory


@needs_tsc
@pytest.mark.parametrize("provider", ["openai", "anthropic", "google"])
def test_a_client_of_each_format_does_what_the_contract_asks(
    interfaces: dict[str, ProviderInterface], compiled: Path, provider: str
) -> None:
    known = interfaces[provider]
    with LocalProvider().running() as local:
        base_url = local.play(known, KEY)
        file = compiled / "js" / f"{module_name(provider)}.js"
        arguments = [file, f"{class_stem(provider)}Client", base_url, KEY, TEXT, known.api_type]
        done = subprocess.run(
            ["node", str(RUNNER), *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    for name in ("echo", "flaky", "limited", "stream"):
        assert said.pop(name) == TEXT, name
    assert said == {name: name for name in said}


def test_typescript_is_the_same_text_every_time_and_holds_names_as_literals(
    interfaces: dict[str, ProviderInterface],
) -> None:
    hostile = interfaces["groq"].model_copy(update={"headers": {"x-note": '`${process.env.X}` "'}})
    (one,) = catalogue_of([hostile], "typescript").clients
    (two,) = catalogue_of([hostile], "typescript").clients
    assert one == two
    assert one.file == "groq_generated.ts"
    assert '{"x-note": "`${process.env.X}` \\""}' in one.text
