"""Every operation of the OpenAPI document, with made-up and spoilt input: answers as the document says.

``MODELSCAN_FUZZ_EXAMPLES`` sets how many examples an operation gets (``make test-api`` takes more).
"""

import os
from collections.abc import Iterator
from typing import Any
from unittest import SkipTest

import pytest
import schemathesis
from api_samples import publish
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import positive_data_acceptance

from modelscan_catalog.api.app import create_app
from modelscan_catalog.api.snapshot import Served
from modelscan_catalog.router.usage import UsageStore
from modelscan_catalog.settings import HttpLimits, Settings

EXAMPLES = int(os.environ.get("MODELSCAN_FUZZ_EXAMPLES", "6"))
NOWHERE = "http://127.0.0.1:9"
MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)


REFUSES_MORE = {
    "POST /catalog/pr": "an entry is judged by its own schema, which the document does not repeat",
    "POST /api/providers/add": "an identifier is PROVIDER/MODEL",
    "POST /api/discover": "an identifier is PROVIDER/MODEL",
    "POST /start": "a route comes with its candidate",
    "POST /models/test": "readiness_url is an address",
    "POST /weights/install": "one of several fields names the repository, as owner/name",
    "GET /weights/{name}/info": "a name is owner/name; one that leaves the folder is refused",
    "DELETE /weights/{name}": "a name is owner/name; one that leaves the folder is refused",
    "GET /huggingface/search": "sort is one of four words",
    "POST /vllm/discover": "it takes repositories or a search, and needs one of them",
}
"""Operations that refuse with 400 what their document allows, and why the document cannot say so."""


class _Process:
    """The service around the application, of which nothing is restarted here."""

    def components(self) -> dict[str, str]:
        return {"api": "ok"}

    def metrics(self, bearer: str) -> bytes:
        return b""

    def restart(self) -> None:
        pass

    def reload_router(self) -> dict[str, object] | None:
        return None


@pytest.fixture(scope="module")
def api_schema(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The document of an application with state, whose sources, hubs and cluster are out of reach."""
    folder = tmp_path_factory.mktemp("fuzz")
    known = Settings(
        data_dir=folder / "data",
        registry_dir=folder / "registry",
        huggingface_url=NOWHERE,
        modelscope_url=NOWHERE,
        kubeconfig=str(folder / "none.yaml"),
        http=HttpLimits(max_attempts=1),
    )
    usage = UsageStore(folder / "usage.sqlite")
    app = create_app(Served(publish(folder / "published")), None, known, usage, service=_Process())
    yield schemathesis.openapi.from_asgi("/openapi.json", app)
    usage.close()


# schemathesis' own strategies draw from the global random numbers, of which hypothesis warns
@pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisDeprecationWarning")
def test_every_operation_answers_as_the_document_says(api_schema: Any) -> None:
    """One test for all, so that the document is made once; a failure lists every operation at fault."""
    operations = [result.ok() for result in api_schema.get_all_operations()]
    faults = [fault for operation in operations for mode in MODES for fault in _faults(operation, mode)]
    assert len(operations) >= 30
    assert not faults, "\n\n".join(faults)


def _faults(operation: Any, mode: GenerationMode) -> list[str]:
    excluded = [not_a_server_error]
    if operation.label in REFUSES_MORE:
        excluded.append(positive_data_acceptance)

    @settings(
        max_examples=EXAMPLES, deadline=None, derandomize=True, database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=operation.as_strategy(generation_mode=mode))
    def answers(case: Any) -> None:
        answer = case.call()
        # What is away (hub, cluster) is 502 or 503 in the one error shape; 500 is a fault.
        assert answer.status_code != 500, answer.text
        assert answer.status_code < 500 or answer.json()["success"] is False
        case.validate_response(answer, excluded_checks=excluded)

    try:
        answers()
    except (SkipTest, Unsatisfiable):
        assert mode is GenerationMode.NEGATIVE, operation.label  # it has nothing that could be spoilt
    except (FailureGroup, AssertionError) as error:
        return [f"{operation.label} ({mode.name.lower()}): {error}"]
    return []
