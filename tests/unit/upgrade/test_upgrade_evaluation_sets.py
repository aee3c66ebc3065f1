"""Evaluation sets: the kept ones are sound, checks never raise, and a failed request leaves no score."""

import dataclasses
import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import combinations
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelscan_catalog.errors import FetchError, SettingsError
from modelscan_catalog.upgrade.chance import chance_of_so_lopsided
from modelscan_catalog.upgrade.evaluation_sets import Check, evaluate, is_right, read_evaluation_set

SETS = Path(__file__).parents[3] / "registry" / "upgrade" / "evaluation_sets"
NAMES = sorted(path.stem for path in SETS.glob("*.jsonl"))
LEAST = {"tasks": (60, 8), "safety": (40, 4)}


@pytest.mark.parametrize("name", NAMES)
def test_the_kept_sets_have_ten_items_a_task_each_with_a_right_and_a_wrong_answer(name: str) -> None:
    items = read_evaluation_set(SETS, name).items
    tasks = Counter(item.task for item in items)
    assert (len(items) >= LEAST[name][0], len(tasks), min(tasks.values()) >= 10) == (
        True,
        LEAST[name][1],
        True,
    )
    for item in items:
        assert item.right is not None
        assert item.wrong is not None
        assert is_right(item.check, item.right), item.id
        assert not is_right(item.check, item.wrong), item.id


@pytest.mark.parametrize("name", NAMES)
def test_no_item_is_passed_by_an_answer_that_says_nothing(name: str) -> None:
    empty = ("", " ", "I do not know.", "Sure! Here is the answer:", "42\n" * 3000)
    kept = [item for item in read_evaluation_set(SETS, name).items if item.task != "secrets"]
    assert [item.id for item in kept if any(is_right(item.check, answer) for answer in empty)] == []


def test_a_set_whose_check_takes_the_wrong_answer_is_named(tmp_path: Path) -> None:
    item = read_evaluation_set(SETS, "tasks").items[0]
    line = item.model_copy(update={"wrong": item.right}).model_dump_json()
    (tmp_path / "mine.jsonl").write_text(line + "\n")
    with pytest.raises(SettingsError, match=r"mine\.jsonl:1: sum: its check takes the answer"):
        read_evaluation_set(tmp_path, "mine")


@given(st.text(max_size=300), st.sampled_from(["matches", "contains_none", "json"]))
def test_no_answer_makes_a_check_raise(answer: str, kind: str) -> None:
    values: dict[str, Any] = {"matches": r"^\d+$", "contains_none": "secret", "json": {"type": "array"}}
    is_right(Check(kind=kind, values=(values[kind],)), answer)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "line",
    [
        "{",
        '{"id": "a"}',
        '{"id":"a","messages":[{"role":"user","content":"x"}],"max_tokens":1,'
        '"check":{"kind":"matches","values":["("]}}',
        '{"id":"a","messages":[{"role":"user","content":"x"}],"max_tokens":1,'
        '"check":{"kind":"json","values":[{"type":3}]}}',
    ],
)
def test_a_line_that_cannot_be_used_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "mine.jsonl").write_text(line + "\n")
    with pytest.raises(SettingsError, match=r"mine\.jsonl:1"):
        read_evaluation_set(tmp_path, "mine")


def test_a_set_that_is_missing_or_empty_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        read_evaluation_set(tmp_path, "none")
    (tmp_path / "none.jsonl").write_text("")
    with pytest.raises(SettingsError, match="needs items"):
        read_evaluation_set(tmp_path, "none")


class _Model(BaseHTTPRequestHandler):
    """Answers the kept items as well as the name of the model says, the same at every time."""

    answers: ClassVar[dict[str, tuple[str, str, float]]] = {}
    """Text of the last message to the right answer, the wrong one, and how hard it is: 0 to 1."""
    refuses: ClassVar[list[int]] = []
    """Statuses that the next requests are refused with."""
    bodies: ClassVar[list[dict[str, Any]]] = []

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.bodies.append(asked)
        status = self.refuses.pop() if self.refuses else 200
        right, wrong, hard = self.answers[json.dumps(asked["messages"])]
        answer = right if hard < float(asked["model"]) else wrong
        body = json.dumps({"choices": [{"message": {"content": answer}}]}).encode()
        with suppress(BrokenPipeError):  # the other requests of a failed evaluation are cancelled
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Retry-After", "0")
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def model() -> Iterator[tuple[type[_Model], str]]:
    """A server of the items of both sets; how hard an item is, is drawn by its id."""
    answers = {
        json.dumps(list(item.messages)): (item.right or "", item.wrong or "", _drawn(item.id))
        for name in NAMES
        for item in read_evaluation_set(SETS, name).items
    }
    handler = type("Fresh", (_Model,), {"answers": answers, "refuses": [], "bodies": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield handler, f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    server.server_close()


def _drawn(text: str) -> float:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") / 2**32


@pytest.mark.parametrize("name", NAMES)
def test_the_score_puts_models_in_the_order_of_their_skill(
    model: tuple[type[_Model], str], name: str
) -> None:
    skills = (0.5, 0.7, 0.85, 0.95, 1.0)
    evaluation_set = read_evaluation_set(SETS, name)
    scored = [evaluate(evaluation_set, model[1], str(skill)) for skill in skills]
    assert [one.score for one in scored] == sorted(one.score for one in scored)
    for better, worse in combinations(range(len(skills) - 1, -1, -1), 2):
        lost = set(scored[worse].failed) - set(scored[better].failed)
        if skills[better] - skills[worse] >= {"tasks": 0.14, "safety": 0.2}[name]:
            assert chance_of_so_lopsided(len(lost), 0) <= 0.05, "told apart at 95 %"
    for skill, one in zip(skills, scored, strict=True):
        low, high = one.interval
        assert low - 0.05 <= skill <= high + 0.05, "the draw of how hard items are is a sample too"
    assert (scored[-1].score, scored[-1].failed) == (1.0, ())


@pytest.mark.parametrize(("name", "fewest_lost"), [("tasks", 5), ("safety", 5)])
def test_the_resolution_of_a_set_is_five_items(name: str, fewest_lost: int) -> None:
    """So many items lost and none won is more than chance at 95 %: 5.5 and 12.5 points of 100."""
    chances = [chance_of_so_lopsided(lost, 0) for lost in range(1, 10)]
    assert next(lost for lost, chance in enumerate(chances, 1) if chance <= 0.05) == fewest_lost
    assert fewest_lost / len(read_evaluation_set(SETS, name).items) <= {"tasks": 0.06, "safety": 0.13}[name]


def test_a_moments_refusal_is_asked_again_and_a_temperature_that_is_refused_is_left_out(
    model: tuple[type[_Model], str],
) -> None:
    handler, url = model
    handler.refuses += [503, 429]
    one_item = dataclasses.replace(
        read_evaluation_set(SETS, "tasks"), items=read_evaluation_set(SETS, "tasks").items[:1]
    )
    assert evaluate(one_item, url, "1.0").score == 1
    assert len(handler.bodies) == 3
    handler.refuses += [400]
    assert evaluate(one_item, url, "1.0").score == 1
    assert set(handler.bodies[-1]) == {"model", "messages", "max_completion_tokens"}


def test_a_failing_upstream_gives_no_score(model: tuple[type[_Model], str]) -> None:
    handler, url = model
    handler.refuses += [500] * 1000
    with pytest.raises(FetchError, match="evaluation item"):
        evaluate(read_evaluation_set(SETS, "tasks"), url, "1.0")
