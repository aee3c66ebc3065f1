"""Whether generated clients compile, import in a process of their own, type-check, and keep the contract."""

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from queue import SimpleQueue
from types import ModuleType

import platformdirs

from modelscan_catalog.errors import ClientGenerationError
from modelscan_catalog.sdk.contract import Claim, check_contract, generated
from modelscan_catalog.sdk.interface import ProviderInterface
from modelscan_catalog.sdk.local_provider import LocalProvider
from modelscan_catalog.sdk.render import GeneratedClient, generate

_IMPORT_TIMEOUT_S = 60.0
_TYPES_TIMEOUT_S = 300.0
_CONTRACTS_AT_ONCE = 4
_IMPORTER = """
import importlib.util, json, sys
found = {}
for path in sys.argv[1:]:
    try:
        spec = importlib.util.spec_from_file_location("generated_client", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        found[path] = sorted(n for n, v in vars(module).items() if hasattr(v, "access"))
    except BaseException as error:
        found[path] = f"{type(error).__name__}: {error}"
print(json.dumps(found))
"""


@dataclass(frozen=True)
class Checked:
    """What was found of one client; null where a check could not be made."""

    client: GeneratedClient
    compiles: bool
    imports: bool
    types: bool | None = None
    claims: tuple[Claim, ...] = ()
    findings: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Nothing failed."""
        return self.compiles and self.imports and self.types is not False and not self.findings


def check_clients(
    clients: Sequence[tuple[GeneratedClient, ProviderInterface]], *, types: bool = True, contract: bool = True
) -> list[Checked]:
    """All checks of all clients, in their order; one process imports them, one types them.

    ``types`` needs mypy, which is for developers; without it that check is null.
    """
    with tempfile.TemporaryDirectory(prefix="modelscan-clients-") as name:
        directory = Path(name)
        paths = [directory / client.file for client, _ in clients]
        for path, (client, _) in zip(paths, clients, strict=True):
            path.write_text(client.text, "utf-8")
        checked = [_compiled(client) for client, _ in clients]
        sound = [path for path, one in zip(paths, checked, strict=True) if one.compiles]
        imported = import_clients(sound)
        checked = [
            _with_import(one, imported.get(str(path))) for path, one in zip(paths, checked, strict=True)
        ]
        if types:
            wrong = type_errors(sound)
            checked = [_with_types(one, path, wrong) for path, one in zip(paths, checked, strict=True)]
        if contract:
            interfaces = [interface for _, interface in clients]
            checked = _with_contracts(checked, interfaces, directory)
        return checked


def _with_contracts(
    checked: Sequence[Checked], interfaces: Sequence[ProviderInterface], keys: Path
) -> list[Checked]:
    """Several local servers at once, one client each at a time: most of a contract is waiting."""
    idle: SimpleQueue[LocalProvider] = SimpleQueue()

    def held(one: Checked, interface: ProviderInterface) -> Checked:
        provider = idle.get()
        try:
            return _with_contract(one, interface, provider, keys)
        finally:
            idle.put(provider)

    workers = max(1, min(_CONTRACTS_AT_ONCE, len(checked)))
    with ExitStack() as servers, ThreadPoolExecutor(workers, thread_name_prefix="contract") as pool:
        for _ in range(workers):
            idle.put(servers.enter_context(LocalProvider().running()))
        return list(pool.map(held, checked, interfaces))


def _compiled(client: GeneratedClient) -> Checked:
    try:
        compile(client.text, client.file, "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        return Checked(client, compiles=False, imports=False, findings=(f"does not compile: {error}",))
    return Checked(client, compiles=True, imports=False)


def import_clients(paths: Iterable[Path]) -> Mapping[str, list[str] | str]:
    """Names of the client classes by path, or why the import failed.

    The process that imports has no variables but the search path: no key can be read or sent.
    """
    names = [str(path) for path in paths]
    if not names:
        return {}
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-B", "-c", _IMPORTER, *names],
            capture_output=True,
            text=True,
            timeout=_IMPORT_TIMEOUT_S,
            env={"PATH": os.environ.get("PATH", "")},
            check=False,
        )
    except subprocess.TimeoutExpired:
        return dict.fromkeys(names, f"the importing process took more than {_IMPORT_TIMEOUT_S:g} s")
    try:
        found: Mapping[str, list[str] | str] = json.loads(done.stdout)
    except ValueError:
        return dict.fromkeys(names, f"the importing process failed: {done.stderr.strip()[-200:]}")
    return found


def _with_import(one: Checked, found: list[str] | str | None) -> Checked:
    if not one.compiles:
        return one
    if isinstance(found, list) and len(found) == 2:
        return replace(one, imports=True)
    return replace(one, findings=(*one.findings, f"does not import: {found}"))


def type_errors(paths: Sequence[Path]) -> list[str] | None:
    """Lines of ``mypy --strict`` over generated files; None where mypy is not installed.

    Raises ``ClientGenerationError`` when it takes too long.
    """
    if importlib.util.find_spec("mypy") is None or not paths:
        return None
    try:
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "mypy",
                "--strict",
                "--no-error-summary",
                "--cache-dir",
                _type_cache(),
                *map(str, paths),
            ],
            capture_output=True,
            text=True,
            timeout=_TYPES_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ClientGenerationError(f"the type check took more than {_TYPES_TIMEOUT_S:g} s") from error
    return [
        line for line in (done.stdout + done.stderr).splitlines() if ": error:" in line or done.returncode > 1
    ]


def _type_cache() -> str:
    """Where mypy keeps what it knows between runs; nowhere if the user's cache folder cannot be written."""
    folder = platformdirs.user_cache_path("modelscan") / "mypy"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return os.devnull
    return str(folder) if os.access(folder, os.W_OK) else os.devnull


def _with_types(one: Checked, path: Path, wrong: list[str] | None) -> Checked:
    if wrong is None or not one.compiles:
        return one
    mine = tuple(line for line in wrong if path.name in line)
    return replace(one, types=not mine, findings=(*one.findings, *mine))


def _with_contract(
    one: Checked, interface: ProviderInterface, provider: LocalProvider, keys: Path
) -> Checked:
    if not one.imports:
        return one
    # A client without leave to show keys is tested as it will be once somebody has confirmed it.
    trusted = interface.model_copy(update={"confirmed": True})
    module = load_client(generate(trusted))
    claims = tuple(check_contract(provider, trusted, generated(module, trusted, keys)))
    broken = tuple(f"{claim.name}: {claim.detail}" for claim in claims if not claim.passed)
    return replace(one, claims=claims, findings=(*one.findings, *broken))


def load_client(client: GeneratedClient) -> ModuleType:
    """The client as a module of this process.

    Raises ``ClientGenerationError`` when it does not load.
    """
    module = ModuleType(client.file.removesuffix(".py"))
    try:
        exec(compile(client.text, client.file, "exec", dont_inherit=True), module.__dict__)  # noqa: S102
    except Exception as error:
        raise ClientGenerationError(f"{client.file}: does not load: {error}") from error
    return module
