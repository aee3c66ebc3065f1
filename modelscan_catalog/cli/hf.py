"""``modelscan hf``: search the HuggingFace hub for what vLLM serves, and describe one repository."""

from pathlib import Path

import click

from modelscan_catalog.cli.catalog import (
    WIDE,
    echo_json,
    figure,
    json_option,
    plain_table,
    registry_option,
    size,
    tokens,
)


@click.group()
def hf() -> None:
    """The HuggingFace hub: search it for what vLLM serves, describe a repository."""


@hf.command()
@click.argument("words", nargs=-1)
@click.option("--author", default="", metavar="OWNER", help="Only repositories of this owner.")
@click.option("--task", default="", metavar="TASK", help="Such as text-generation.")
@click.option(
    "--sort",
    type=click.Choice(["downloads", "likes", "lastModified", "createdAt"]),
    default="downloads",
    show_default=True,
)
@click.option("--limit", type=click.IntRange(1, 100), default=20, show_default=True)
@click.option("--all", "everything", is_flag=True, help="Also what vLLM has no architecture for.")
@registry_option
@json_option
def search(
    words: tuple[str, ...],
    author: str,
    task: str,
    sort: str,
    limit: int,
    everything: bool,
    registry: Path,
    as_json: bool,
) -> None:
    """Repositories that vLLM serves, for WORDS.

    The catalogue answers with its own when the hub does not.

    Exit code 3 when nothing is found.
    """
    from dataclasses import asdict

    from modelscan_catalog.hub.search import Question
    from modelscan_catalog.hub.search import search as ask
    from modelscan_catalog.registry import get_registry
    from modelscan_catalog.settings import load_settings

    text = " ".join(words)
    question = Question(text, author, task, sort, limit, everything)
    found = ask(load_settings(), get_registry(registry), question)
    if as_json:
        echo_json(asdict(found))
    else:
        if found.rows:
            _show(found.rows, f"{len(found.rows)} repositories, {_said(found.origin)}")
        else:
            click.echo(f"nothing that vLLM serves is found for {text[:80]!r}, {_said(found.origin)}")
        if found.problem:
            click.echo(f"note: {found.problem}", err=True)
    if not found.rows:
        click.get_current_context().exit(3)


def _said(origin: str) -> str:
    return {
        "live": "as the hub says",
        "cached": "as the hub said last",
        "catalogue": "as the catalogue knows",
    }[origin]


def _show(rows: list[dict[str, object]], title: str) -> None:
    from modelscan_catalog.cli.console import table_console

    console = table_console()
    wide = console.width >= WIDE
    shown = [
        (
            str(row["id"]),
            size(_number(row["parameters"])),
            size(_number(row["downloads"])),
            {True: "yes", False: "no", None: "?"}[_flag(row["vllm"])],
            "yes" if row["gated"] else "no" if row["gated"] is False else "?",
            *(
                (", ".join(map(str, _texts(row["architectures"]))), str(row["license"] or "-"))
                if wide
                else ()
            ),
        )
        for row in rows
    ]
    columns = (
        "repository",
        "params",
        "downloads",
        "vLLM",
        "gated",
        *(("architecture", "license") if wide else ()),
    )
    console.print(
        plain_table(
            title,
            columns,
            shown,
            console.width,
            ("params", "downloads"),
            "architecture" if wide else "repository",
        )
    )


def _number(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _flag(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _texts(value: object) -> list[object]:
    return value if isinstance(value, list) else []


@hf.command()
@click.argument("repo")
@click.option("--gpu", metavar="NAME[:COUNT]", default="", help="Plan the draft's settings for these cards.")
@click.option("--draft", is_flag=True, help="Print the draft entry alone, as an overlay to keep.")
@registry_option
@json_option
def info(repo: str, gpu: str, draft: bool, registry: Path, as_json: bool) -> None:
    """Facts of REPO, whether vLLM serves it, a draft entry.

    REPO is owner/name; what the hub does not say of it is left out.
    """
    import json

    from modelscan_catalog.hub.describe import model_info
    from modelscan_catalog.registry import get_registry
    from modelscan_catalog.settings import load_settings

    told = model_info(load_settings(), get_registry(registry), repo, gpu)
    if draft:
        click.echo(json.dumps(told["draft"]["overlay"], indent=1, ensure_ascii=False))
        return
    if as_json:
        echo_json(told)
        return
    entry, launch, fit = told["draft"]["entry"], told["draft"]["launch"], told["compatibility"]
    facts = told["repo"]
    since = {row["name"]: row["versions"][0] for row in fit["architectures"] if row["versions"]}
    quantization = entry["quantization"]["method"] or ("yes" if "quantized" in entry["tags"] else None)
    lines = {
        "kind": entry["category"],
        "parameters": entry["parameters"],
        "architecture": ", ".join(facts.get("architectures") or ()) or None,
        "revision": facts.get("sha") or facts.get("revision"),
        "context": tokens(launch["max_model_len"]),
        "quantization": quantization,
        "gated": {True: "yes, its terms must be accepted", False: "no", None: None}[facts.get("gated")],
        "from GiB": figure(entry["requirements"]["min_vram_gb"]),
        "vLLM": fit["reason"]
        + (f" ({', '.join(f'{name} since {at}' for name, at in since.items())})" if since else ""),
        "own code": {True: "yes: it needs --trust-remote-code", False: "no", None: None}[
            launch["trust_remote_code"]
        ],
        "tool parser": launch["tool_call_parser"],
        "reasoning": launch["reasoning_parser"],
        "draft from": told["draft"]["from"],
    }
    click.echo(f"{told['id']}, {_said(told['origin'])}")
    for name, value in lines.items():
        if value not in (None, "", "-"):
            click.echo(f"  {name:<13} {value}")
    for note in (told["draft"]["note"], told["problem"]):
        if note:
            click.echo(f"note: {note}", err=True)
    click.echo(f"\nmodelscan hf info {told['id']} --draft   prints its catalogue entry")
