"""Engines are found in shell text however they are wrapped, and nothing else is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelscan_catalog.manifests.lint_shell import engine_commands, script_of

SERVED = ["vllm", "serve", "a/b", "--tensor-parallel-size", "2"]


@pytest.mark.parametrize(
    "text",
    [
        "vllm serve a/b --tensor-parallel-size 2",
        "HF_HOME=/x nohup vllm serve a/b --tensor-parallel-size 2 > log 2>&1 &",
        "cd /x && exec vllm serve a/b \\\n  --tensor-parallel-size 2 | tee log",
        "if true; then vllm serve a/b --tensor-parallel-size 2; fi",
        "bash -c 'vllm serve a/b --tensor-parallel-size 2'",
        "docker run -it x/y vllm serve a/b --tensor-parallel-size 2",
        "vllm serve 'a/b' --tensor-parallel-size 2 # the large one",
    ],
)
def test_given_a_wrapped_engine_when_read_then_its_words_are_found(text):
    assert engine_commands(text) == [SERVED]


@pytest.mark.parametrize(
    "text", ["# vllm serve a", "echo 'vllm serve a'", "pip install vllm", "vllm --version", ""]
)
def test_given_text_that_starts_no_engine_when_read_then_nothing_is_found(text):
    assert engine_commands(text) == []


def test_given_words_of_a_shell_when_read_then_its_script_is_what_it_runs():
    assert script_of(["/bin/bash", "-euxc", "a b", "ignored"]) == "a b"
    assert script_of(["sh", "run.sh", "-c"]) is None
    assert script_of(["python3", "-c", "x"]) is None


@given(st.text(max_size=200))
def test_given_any_text_when_read_then_words_come_or_an_open_quotation_is_told(text):
    try:
        found = engine_commands(text)
    except ValueError:
        return
    assert all(found)
