"""Which packages each image needs: what is imported or declared, with everything that this needs in turn.

python deploy/list_packages.py            # say which list is out of date (exit 1)
python deploy/list_packages.py --write    # after a change of dependencies or of the router's imports
"""

import ast
import importlib.metadata
import sys
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
LISTS = ROOT / "deploy" / "packages"
PIPELINE_ONLY = frozenset({"dagster", "dagster-webserver", "matplotlib", "pandas"})
UNASKED = frozenset({"httptools"})
"""What aiohttp and uvloop are quicker with, and do not ask for."""
REMARKS = {
    "router": "What `modelscan router` imports, and what that needs; the lock has versions and hashes.",
    "serve": "What `modelscan serve` and the commands need beside router.txt.",
    "dagster": "What the pipeline needs beside router.txt and serve.txt.",
    "build": "What makes the wheel of ModelScan itself; in no image.",
}


def needed() -> dict[str, set[str]]:
    """Names by list; raises ``PackageNotFoundError`` where one is not installed here."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    declared = [Requirement(text) for text in project["project"]["dependencies"]]
    owners = importlib.metadata.packages_distributions()
    direct = {owners[name][0] for name in imported("modelscan_catalog.cli.router", set()) if name in owners}
    direct = {canonicalize_name(name) for name in direct} | UNASKED
    router = closure(one for one in declared if canonicalize_name(one.name) in direct)
    serve = closure(one for one in declared if one.name not in PIPELINE_ONLY)
    return {
        "router": router,
        "serve": serve - router,
        "dagster": closure(declared) - serve - router,
        "build": closure(Requirement(text) for text in project["build-system"]["requires"]),
    }


def closure(requirements: Iterable[Requirement]) -> set[str]:
    """The distributions that ``requirements`` lead to on a machine like this one."""
    seen: set[tuple[str, frozenset[str]]] = set()
    waiting = list(requirements)
    while waiting:
        one = waiting.pop()
        key = (canonicalize_name(one.name), frozenset(one.extras))
        if key in seen:
            continue
        seen.add(key)
        for text in importlib.metadata.distribution(one.name).requires or ():
            found = Requirement(text)
            extras = one.extras or {""}
            if found.marker is None or any(found.marker.evaluate({"extra": extra}) for extra in extras):
                waiting.append(found)
    return {name for name, _ in seen}


def imported(module: str, seen: set[str]) -> Iterator[str]:
    """Top-level names of others that ``module`` imports, at once or later, itself or through this project."""
    path = ROOT.joinpath(*module.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    if module in seen or not file.is_file():
        return
    seen.add(module)
    waiting: list[ast.AST] = [ast.parse(file.read_text("utf-8"))]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        waiting += ast.iter_child_nodes(node)
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            if name.startswith("modelscan_catalog"):
                yield from imported(name, seen)
            elif name.partition(".")[0] not in sys.stdlib_module_names:
                yield name.partition(".")[0]


def main() -> int:
    """Write the lists, or compare them."""
    stale = 0
    for name, names in needed().items():
        path = LISTS / f"{name}.txt"
        text = f"# {REMARKS[name]}\n" + "".join(f"{one}\n" for one in sorted(names))
        if path.read_text("utf-8") == text:
            continue
        if sys.argv[1:] == ["--write"]:
            path.write_text(text, "utf-8")
        else:
            sys.stdout.write(f"{path}: out of date; run python deploy/list_packages.py --write\n")
            stale = 1
    return stale


if __name__ == "__main__":
    sys.exit(main())
