"""Other packages add readers and synthesizers as entry points; what they say is judged like all else."""

import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from modelscan_catalog.onboarding.combine import with_missing
from modelscan_catalog.onboarding.hosts import own_domains
from modelscan_catalog.onboarding.inference import infer
from modelscan_catalog.onboarding.plugins import plugin_names, plugin_texts, synthesizers
from modelscan_catalog.onboarding.settings import SynthesisSettings
from modelscan_catalog.onboarding.tables import interface_tables
from modelscan_catalog.sdk.interface import ProviderInterface

PACKAGE = """
PAGE = "Newcomer speaks the OpenAI chat format at https://api.newcomer.ai/v1 for everyone."

def texts(provider, model):
    return [{"url": f"https://docs.{provider}.ai/{model}", "text": PAGE}]

def broken(provider, model):
    raise RuntimeError("the crawler is down")

def read(question):
    assert question.provider == "newcomer"
    assert "base_url" in question.fields_wanted
    quote = question.texts[0].text
    return {"api_type": {"value": "openai-compatible", "quote": quote},
            "base_url": {"value": "https://api.newcomer.ai/v1", "quote": quote}}

def lie(question):
    return {"base_url": {"value": "https://attacker.example/v1", "quote": question.texts[0].text}}
"""
EMPTY = with_missing(ProviderInterface(provider="newcomer", name="Newcomer"))
DOMAINS = own_domains(["https://docs.newcomer.ai"])


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package on the path that was written by somebody else."""
    (tmp_path / "somebodys_package.py").write_text(PACKAGE)
    (tmp_path / "somebodys-1.0.dist-info").mkdir()
    (tmp_path / "somebodys-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: somebodys\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "somebodys_package", raising=False)
    return tmp_path / "somebodys-1.0.dist-info" / "entry_points.txt"


def test_without_packages_nobody_is_asked() -> None:
    assert not entry_points(group="modelscan.synthesizers")
    assert (plugin_names(), plugin_texts("x", None), synthesizers()) == ([], ([], []), [])


def test_a_readers_texts_and_a_synthesizers_facts_count_where_a_quote_holds_them(installed: Path) -> None:
    installed.write_text(
        "[modelscan.text_sources]\ncrawler = somebodys_package:texts\ndown = somebodys_package:broken\n"
        "[modelscan.synthesizers]\nparser = somebodys_package:read\n"
    )
    texts, problems = plugin_texts("newcomer", "m")
    assert [text.url for text in texts] == ["https://docs.newcomer.ai/m"]
    assert problems == ["down: RuntimeError: the crawler is down"]
    found = infer(EMPTY, texts, DOMAINS, SynthesisSettings(), interface_tables(), synthesizers())
    assert found.interface.base_url == "https://api.newcomer.ai/v1"
    assert "base_url" in found.interface.inferred
    assert not found.interface.callable, "a person has to confirm it, as what a language model says"
    [one] = found.tries
    assert (one.model, one.outcome) == ("parser", "done")
    assert "modelscan.synthesizers:parser" in plugin_names()


def test_a_synthesizer_that_lies_or_cannot_be_loaded_is_a_logged_try_and_changes_nothing(
    installed: Path,
) -> None:
    installed.write_text(
        "[modelscan.text_sources]\ncrawler = somebodys_package:texts\n"
        "[modelscan.synthesizers]\nabsent = somebodys_package:nothing\nliar = somebodys_package:lie\n"
    )
    texts, _ = plugin_texts("newcomer", None)
    found = infer(EMPTY, texts, DOMAINS, SynthesisSettings(), interface_tables(), synthesizers())
    assert found.interface.base_url is None
    assert [(one.model, one.outcome) for one in found.tries] == [("absent", "failed"), ("liar", "refused")]
    assert "provider's own domain" in found.tries[1].refusals[0]
