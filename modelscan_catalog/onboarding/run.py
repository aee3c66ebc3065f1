"""Runs the eleven steps: what holds comes from the cache, every try is logged, a stopped run resumes."""

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from modelscan_catalog.errors import ModelScanError, OnboardingError
from modelscan_catalog.onboarding.combine import NEEDED
from modelscan_catalog.onboarding.context import Context, split_identifier
from modelscan_catalog.onboarding.inference import Try
from modelscan_catalog.onboarding.logs import cached_payload, keep_payload, latest_payload, log_try
from modelscan_catalog.onboarding.plugins import plugin_names
from modelscan_catalog.onboarding.providers import is_usable, put_provider
from modelscan_catalog.onboarding.records import (
    GATHER,
    STEPS,
    Compiled,
    ContractTested,
    Gathered,
    Generated,
    OnboardingReport,
    Reloaded,
    Standing,
    StepName,
    StepReport,
    Stored,
    Synthesised,
    Validated,
)
from modelscan_catalog.onboarding.steps import DEPENDS, NOT_KEPT, RESULTS, RefusedError, perform
from modelscan_catalog.onboarding.tables import confirmations, interface_tables
from modelscan_catalog.records import Record
from modelscan_catalog.sdk.access import VARIABLE
from modelscan_catalog.state import open_state

CODE_VERSION = 2
"""Goes up when a step's result for the same input changes: cached ones do not hold any longer."""

_PLANS: dict[StepName, str] = {
    "reload_router": "routers would serve it, where they can",
    "store": "the provider, its client and references to its keys would be kept",
}

OnStep = Callable[[StepReport], None]


def run_step(context: Context, step: StepName, *, force: bool = False) -> tuple[Record, StepReport]:
    """The result of one step; those that it reads must have been done.

    What holds for the same input is taken from the cache, for ``settings.cache_days`` days. Raises
    ``OnboardingError`` when a step before it has no result, and whatever the step itself raises; the try is
    logged either way.
    """
    inputs = {name: _done(context, name) for name in DEPENDS[step]}
    digest = _input_sha256(context, step, inputs)
    with open_state(context.settings.state_file) as connection:
        if step not in NOT_KEPT and not force and not context.refresh:
            payload = cached_payload(connection, context.identifier, step, digest)
            if payload is not None:
                found = RESULTS[step].model_validate_json(payload)
                log_try(connection, context.identifier, step, "cached")
                return found, StepReport(step=step, outcome="cached", summary=summary(found))
        started = time.monotonic()
        try:
            found, tries = perform(step, context, inputs)
        except Exception as error:
            took = round(time.monotonic() - started, 3)
            if isinstance(error, RefusedError):
                _log_tries(context, step, error.tries)
                if context.apply and not is_usable(connection, context.provider):
                    put_provider(connection, error.interface, "needs_more")
            detail = {"error": f"{type(error).__name__}: {error}"[:500]}
            outcome: Any = "refused" if isinstance(error, ModelScanError) else "failed"
            log_try(connection, context.identifier, step, outcome, seconds=took, detail=detail)
            raise
        took = round(time.monotonic() - started, 3)
        _log_tries(context, step, tries)
        keep_payload(
            connection,
            context.identifier,
            step,
            digest,
            found.model_dump_json(),
            context.settings.cache_days,
        )
        said = summary(found)
        log_try(connection, context.identifier, step, "done", seconds=took, detail={"summary": said})
        return found, StepReport(step=step, outcome="done", seconds=took, summary=said)


def add_provider(
    context: Context, on_step: OnStep | None = None, last: StepName = "store"
) -> OnboardingReport:
    """All eleven steps, or those up to ``last``, and the report; the four sources side by side.

    A step that does not pass ends the run: the report says which and why, the steps behind it are not run.
    Nothing is raised for that; only an identifier that is none raises ``OnboardingError``.
    """
    told = on_step or (lambda report: None)
    reports: dict[StepName, StepReport] = {}
    results: dict[StepName, Record] = {}
    refusals: list[RefusedError] = []

    def attempt(step: StepName) -> tuple[StepReport, Record | None, Exception | None]:
        started = time.monotonic()
        try:
            found, report = run_step(context, step)
        except ModelScanError as error:
            took = round(time.monotonic() - started, 3)
            return (
                StepReport(step=step, outcome="failed", seconds=took, summary=str(error)[:1000]),
                None,
                error,
            )
        return report, found, None

    def keep(report: StepReport, found: Record | None = None, error: Exception | None = None) -> None:
        reports[report.step] = report
        if found is not None:
            results[report.step] = found
        if isinstance(error, RefusedError):
            refusals.append(error)
        told(report)

    split_identifier(context.identifier)
    with open_state(context.settings.state_file):
        pass  # migrations run once, before four threads open it
    with ThreadPoolExecutor(max_workers=len(GATHER), thread_name_prefix="gather") as pool:
        for gathered in as_completed([pool.submit(attempt, step) for step in GATHER]):
            keep(*gathered.result())
    for step in STEPS[len(GATHER) :]:
        behind = STEPS.index(step) > STEPS.index(last)
        if behind or any(report.outcome == "failed" for report in reports.values()):
            keep(StepReport(step=step, outcome="not_run"))
        elif step in NOT_KEPT and not context.apply:
            keep(StepReport(step=step, outcome="planned", summary=_PLANS[step]))
        else:
            keep(*attempt(step))
    return _report(context, reports, results, refusals[0] if refusals else None)


def report_of(context: Context) -> OnboardingReport:
    """The report of what the steps have left behind, for those who run them one by one."""
    results: dict[StepName, Record] = {}
    reports: dict[StepName, StepReport] = {}
    for step in STEPS:
        try:
            results[step] = _done(context, step)
            reports[step] = StepReport(step=step, outcome="done", summary=summary(results[step]))
        except OnboardingError:
            reports[step] = StepReport(step=step, outcome="not_run")
    return _report(context, reports, results, None)


def _report(
    context: Context,
    reports: Mapping[StepName, StepReport],
    results: Mapping[StepName, Record],
    refusal: RefusedError | None,
) -> OnboardingReport:
    validated, stored, made = results.get("validate"), results.get("store"), results.get("generate")
    interface = validated.interface if isinstance(validated, Validated) else None
    if interface is None and refusal is not None:
        interface = refusal.interface
    if interface is None and isinstance(draft := results.get("synthesise"), Synthesised):
        interface = draft.interface
    standing: Standing = "needs_more"
    if isinstance(validated, Validated):
        standing = "usable" if validated.interface.callable else "unconfirmed"
    return OnboardingReport(
        identifier=context.identifier,
        provider=context.provider,
        model=context.model,
        standing=standing,
        api_type=interface.api_type if interface else None,
        base_url=interface.base_url if interface else None,
        inferred=tuple(
            entry for entry in (interface.evidence if interface else ()) if entry.standing == "inferred"
        ),
        missing=interface.missing if interface else (),
        client=stored.file if isinstance(stored, Stored) else None,
        sha256=made.sha256 if isinstance(made, Generated) else None,
        steps=tuple(reports[step] for step in STEPS),
        next_step=_next_step(
            context,
            standing,
            validated if isinstance(validated, Validated) else None,
            interface.missing if interface else (),
            interface is not None and all(getattr(interface, name) for name in NEEDED),
        ),
    )


def _next_step(
    context: Context,
    standing: Standing,
    validated: Validated | None,
    missing: tuple[str, ...],
    complete: bool,
) -> str:
    if standing == "unconfirmed" and validated is not None:
        return (
            f"read what was inferred, then confirm it: write registry/onboarding/confirmations/"
            f"{context.provider}.json with interface_sha256 {validated.interface_sha256}"
        )
    if any(line.startswith("key_host:") for line in missing):
        return "confirm the host if it is the seller's own; see docs/onboarding.md, Keys and hosts"
    if standing == "needs_more" and complete:
        return ""  # the step that failed says what to do
    if standing == "needs_more" and any(line.partition(":")[0] not in NEEDED for line in missing):
        return "use the vendor's own client: generated ones cannot exchange its keys"
    if standing == "needs_more" and context.docs and "://" not in context.docs:
        return "give its documentation by its https:// address: an inferred address counts on its domain only"
    if standing == "needs_more":
        return "give its OpenAPI document (--openapi) or its documentation (--docs)"
    return ""


def _done(context: Context, step: StepName) -> Record:
    with open_state(context.settings.state_file) as connection:
        payload = latest_payload(connection, context.identifier, step)
    if payload is None:
        raise OnboardingError(f"{context.identifier}: the step {step} has not been done", step)
    return RESULTS[step].model_validate_json(payload)


def _input_sha256(context: Context, step: StepName, inputs: Mapping[StepName, Record]) -> str:
    """What the result depends on: the results before it, the tables, and what the caller gave."""
    parts: dict[str, Any] = {
        "version": CODE_VERSION,
        "inputs": {name: inputs[name].model_dump(mode="json") for name in sorted(inputs)},
    }
    if step in GATHER:
        parts |= {"live": context.live, "reads_texts": bool(context.synthesis.models())}
    if step in ("synthesise", "validate"):
        tables = interface_tables(context.settings.registry_dir)
        given = [_given(context.openapi), _given(context.docs)]
        parts |= {"tables": tables.model_dump(mode="json"), "given": given}
        parts |= {"plugins": plugin_names(), "live": context.live}
    if step == "validate":
        confirmed = confirmations(context.confirmations_dir).get(context.provider)
        asked = [model.model_dump(mode="json") for model in context.synthesis.models()]
        parts |= {
            "confirmation": confirmed.model_dump() if confirmed else None,
            "models": asked,
            "key": [context.key, context.key_host],
            "hosts": _hosts(context, inputs),
        }
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _hosts(context: Context, inputs: Mapping[StepName, Record]) -> dict[str, Any]:
    """What is confirmed for the variables of the interface and for its address."""
    draft = inputs["synthesise"]
    assert isinstance(draft, Synthesised)
    url = draft.interface.base_url or ""
    names = [*draft.interface.key_env, *VARIABLE.findall(url)]
    confirmed = {name: sorted(context.allowed.of(f"env:{name}")) for name in names}
    return {"confirmed": confirmed, "known": context.allowed.knows(url)}


def _given(where: str) -> str:
    """An address, or a file by its name and content: an edited file is another input."""
    path = Path(where)
    if not where or "://" in where or not path.is_file():
        return where
    return f"{where} {hashlib.sha256(path.read_bytes()).hexdigest()}"


def _log_tries(context: Context, step: StepName, tries: tuple[Try, ...]) -> None:
    if not tries:
        return
    with open_state(context.settings.state_file) as connection:
        for one in tries:
            log_try(
                connection,
                context.identifier,
                step,
                one.outcome,
                attempt=one.number,
                actor=one.model,
                seconds=one.seconds,
                tokens=one.tokens,
                detail={"refused": list(one.refusals), "accepted": list(one.accepted)},
            )


def summary(result: Record) -> str:
    """One line on a step's result."""
    match result:
        case Gathered():
            return f"{result.summary} ({result.origin})"
        case Synthesised():
            left = f"; open: {', '.join(result.open)}" if result.open else ""
            failed = "".join(f"; {problem}" for problem in result.problems)
            return f"{result.interface.api_type or 'format unknown'} by rules{left}{failed}"
        case Validated():
            inferred = result.interface.inferred
            return f"passed; inferred: {', '.join(inferred)}" if inferred else "passed, nothing inferred"
        case Generated():
            return f"{result.file}, {result.lines} lines, {result.sha256[:12]}"
        case Compiled():
            typed = {True: "typed", False: "not typed", None: "types not checked"}[result.types]
            return f"compiled, imported, {typed}"
        case ContractTested():
            return f"{len(result.claims)} claims held"
        case Reloaded():
            return result.detail
        case Stored():
            return (
                f"{result.standing}, {'a new version' if result.new_version else 'the version that is known'}"
            )
    return ""
