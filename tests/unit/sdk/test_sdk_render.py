"""Generated text: deterministic, formatted, harmless whatever a name holds."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sdk_samples import CHAT, interface

from modelscan_catalog.errors import ClientGenerationError
from modelscan_catalog.onboarding.published import catalogue_of, onboarding_files, stored_interfaces
from modelscan_catalog.sdk.check import check_clients, load_client
from modelscan_catalog.sdk.contract import client_classes
from modelscan_catalog.sdk.interface import Auth, Endpoint, Parameter
from modelscan_catalog.sdk.render import class_stem, generate, module_name, python_literal
from modelscan_catalog.settings import REPOSITORY_ROOT, load_settings
from modelscan_catalog.sources.runner import latest

HOSTILE = 'x"""\n__import__("os").system("touch /tmp/owned")\n"""{{ 7*7 }}{% raw %}'


def test_every_client_of_the_catalogue_is_formatted_clean_and_the_common_ones_are_under_60_lines(
    tmp_path: Path,
) -> None:
    catalogue = catalogue_of(stored_interfaces(load_settings()))
    assert len(catalogue.interfaces) >= 225
    assert len(catalogue.clients) >= 217
    for client, known in catalogue.pairs:
        (tmp_path / client.file).write_text(client.text)
        if known.api_type != "custom":
            assert client.lines < 60, client.provider
    config = ["--config", str(REPOSITORY_ROOT / "pyproject.toml"), str(tmp_path)]
    for command in (["format", "--check"], ["check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, *config], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout[-2000:]


def test_the_published_files_are_the_same_bytes_every_time_and_small() -> None:
    result = latest("models_dev", load_settings())
    assert result is not None
    providers, offers = result.tables["providers"], result.tables["offers"]
    first = onboarding_files(providers, offers)  # type: ignore[arg-type]
    again = onboarding_files(list(reversed(providers)), list(reversed(offers)))  # type: ignore[arg-type]
    assert first == again
    assert sum(map(len, first.values())) < 1_500_000


@pytest.mark.parametrize(
    "changes",
    [
        {"name": HOSTILE},
        {"headers": {"x-note": 'it\'s "quoted" \\ {{ 7*7 }}'}},
        {"parameters": (Parameter(name="effort", kind="choice", choices=(HOSTILE, "low")),)},
        {"parameters": (Parameter(name="class", kind="text"),)},
    ],
    ids=["name", "header", "choice", "keyword"],
)
def test_given_hostile_facts_the_client_holds_them_as_plain_strings_or_not_at_all(
    changes: dict[str, object],
) -> None:
    client = generate(interface(**changes))
    tree = ast.parse(client.text)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    assert all("import" not in ast.unparse(call.func) for call in calls)
    assert len(client_classes(load_client(client))) == 2


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"base_url": 'https://a.example/"\n'}, "base_url"),
        ({"base_url": "http://a.example/v1"}, "not https"),
        ({"base_url": "https://user:secret@a.example"}, "base_url"),
        ({"key_env": ('A"B',)}, "key_env"),
        ({"headers": {"x": "a\nb"}}, "headers"),
        ({"evidence": ()}, "no evidence"),
        ({"endpoints": (CHAT, CHAT)}, "given twice"),
        ({"endpoints": (CHAT.model_copy(update={"path": "/{account}/chat"}),)}, "{model}"),
        ({"endpoints": (CHAT.model_copy(update={"path": "/a/../../b"}),)}, "leaves"),
        ({"missing": ("auth: unknown",)}, "auth: unknown"),
        ({"auth": None}, "must be known"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_given_facts_that_must_not_be_used_no_client_is_generated(
    changes: dict[str, object], word: str
) -> None:
    with pytest.raises(ClientGenerationError, match=word.replace("{", r"\{")):
        generate(interface(**changes))


@given(st.text(max_size=200))
def test_any_text_survives_as_a_python_literal(text: str) -> None:
    assert ast.literal_eval(python_literal(text)) == text


@given(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,40}", fullmatch=True))
def test_every_provider_id_gives_names_that_python_takes(provider: str) -> None:
    stem, module = class_stem(provider), module_name(provider)
    assert f"Async{stem}Client".isidentifier()
    assert module.isidentifier()
    assert "/" not in module


def test_two_providers_that_would_be_one_module_get_no_client_and_cost_no_other_its_own() -> None:
    names = ["a.b", "a-b", "c"]
    found = catalogue_of([interface(provider=name) for name in names])
    assert [client.provider for client in found.clients] == ["c"]
    assert [one.missing for one in found.interfaces] == [
        ("name: another provider is a_b_generated too",)
    ] * 2 + [()]
    held = interface(provider="a-b", missing=("key_host: not its own",))
    kept = catalogue_of([interface(provider="a.b"), held])
    assert [client.provider for client in kept.clients] == ["a.b"]


def test_the_same_facts_give_the_same_text_and_other_evidence_does_not_change_it() -> None:
    one = interface()
    other = one.model_copy(
        update={"evidence": tuple(e.model_copy(update={"rule": "another"}) for e in one.evidence)}
    )
    assert generate(one) == generate(other)
    assert generate(one).sha256 != generate(interface(base_url="https://api.example.com/v2")).sha256


def test_a_custom_interface_becomes_methods_that_send_what_it_says() -> None:
    endpoints = (
        Endpoint(operation="generate", method="POST", path="/models/{model}:run"),
        Endpoint(operation="stream_it", method="POST", path="/run", streams=True, fixed={"stream": True}),
        Endpoint(operation="models", method="GET", path="/models", query={"page": "all"}),
    )
    made = interface(
        api_type="custom", endpoints=endpoints, parameters=(), auth=Auth(scheme="query", name="api-key")
    )
    (checked,) = check_clients([(generate(made), made)])
    assert checked.findings == ()
    assert checked.passed
    assert '_stream("stream_it", {"stream": True, **body}, "", query or {})' in checked.client.text


def test_a_client_that_does_not_keep_the_contract_is_refused() -> None:
    right = interface()
    wrong = interface(auth=Auth(scheme="header", name="x-other"))
    client = generate(right)
    broken = type(client)(
        client.provider, "python", client.file, "import nosuch_module\n", client.interface_sha256
    )
    (checked,) = check_clients([(broken, wrong)])
    assert not checked.passed
    assert "does not import" in checked.findings[0]
