"""`make_plan`: from a model, cards and wishes to the one deployment plan, with every choice explained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import ValidationError

from modelscan_catalog.deploy.gpu import Detection, detect_gpus
from modelscan_catalog.deploy.plan import DeploymentPlan, PlanAlternative, PlanRequest
from modelscan_catalog.deploy.plan_cards import DETECTED, Cards, choose_cards
from modelscan_catalog.deploy.plan_choice import Choice, checkpoints
from modelscan_catalog.deploy.plan_routes import api_routes, open_alternatives, smaller_models
from modelscan_catalog.deploy.plan_written import alternative_of, overrides, refused, written
from modelscan_catalog.errors import FitInputError, PublishError
from modelscan_catalog.fit.candidates import Candidate
from modelscan_catalog.fit.matrix_terms import FitVariant
from modelscan_catalog.fit.plan import ServingPlan, plan
from modelscan_catalog.fit.published import PublishedModel, PublishedRegistry
from modelscan_catalog.records import Deployment
from modelscan_catalog.registry.planning import known_engine

WISHES = (
    "variant",
    "quantization",
    "engine",
    "engine_version",
    "source",
    "local_path",
    "kv_cache_dtype",
    "tensor_parallel",
    "pipeline_parallel",
    "gpu_memory_utilization",
)
"""What a request may take out of the planner's hands."""

_FROM_FILES = PlanAlternative(
    change="source",
    text="its own files say what the catalogue does not know: download it and plan with --source local=PATH",
)


def make_plan(
    published: Path, request: PlanRequest, look: Callable[[], Detection] = detect_gpus
) -> DeploymentPlan:
    """The plan of `request` by the registry in `published`; a refusal is a plan too, with what would work.

    `look` finds the cards where the request names none. Raises `UnknownIdError` or `AmbiguousIdError` with
    candidates for the model or the GPU, `FitInputError` naming an unusable field, `ManifestError` for a flag
    that the engine does not have, `PublishError` for a damaged registry.
    """
    registry = PublishedRegistry(published)
    online = "vllm" if request.online else None
    engine, version = known_engine(request.engine or online, request.engine_version)
    request = request.model_copy(
        update={
            "engine": engine,
            "engine_version": version,
            "source": "local" if request.local_path else request.source,
            "gpu": None if (request.gpu or DETECTED).strip().lower() == DETECTED else request.gpu,
        }
    )
    model = _model(registry, request)
    if isinstance(model, str):
        return _without_weights(registry, model, request, look)
    cards = choose_cards(request, look)
    try:
        return _Planning(registry, model, request, cards).answer()
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise PublishError(
            f"{published}: a {error.title} record of {model.id} is damaged ({where}: {first['msg']}); "
            "publish anew with `modelscan build`"
        ) from error


def _model(registry: PublishedRegistry, request: PlanRequest) -> PublishedModel | str:
    """The model with its checkpoints, or the id of one that has none."""
    try:
        return registry.find(request.model)
    except FitInputError:
        from modelscan_catalog.merge.resolve import read_index, resolve  # reads the whole crosswalk

        return resolve(read_index(registry.root), request.model.strip()).model


def _without_weights(
    registry: PublishedRegistry, model_id: str, request: PlanRequest, look: Callable[[], Detection]
) -> DeploymentPlan:
    """A closed model, or one whose weights no hub lists: sold only, with open ones that can do as much."""
    row = next(registry.rows("models.jsonl", "id", model_id))
    cards: Cards | None = None
    if request.gpu is not None:
        cards = choose_cards(request, look)
    elif (detection := look()).gpus:
        cards = choose_cards(request, lambda: detection)
    closed = row.get("open_weights") is False
    why = (
        f"{model_id} has closed weights: nobody but its makers and their sellers can run it"
        if closed
        else f"the catalogue knows no weights of {model_id} on HuggingFace or ModelScope"
    )
    routes, total = api_routes(registry, row)
    reasons, instead = [why], open_alternatives(registry, row, request, cards)
    if cards is not None and not instead:
        elsewhere = request.model_copy(update={"gpu": None, "gpu_ids": ()})
        instead = open_alternatives(registry, row, elsewhere, None)
        where = f"{cards.count} x {cards.profile.id}"
        reasons += [f"none of the open models with its abilities runs on {where}; see their plans"] * bool(
            instead
        )
    return refused(
        row,
        request,
        cards,
        verdict="no_checkpoint",
        binding="weights",
        reasons=tuple(reasons),
        alternatives=instead,
        offers=routes,
        offers_total=total,
    )


@dataclass(frozen=True)
class _Planning:
    registry: PublishedRegistry
    model: PublishedModel
    request: PlanRequest
    cards: Cards

    def answer(self) -> DeploymentPlan:
        left = checkpoints(self.model, self.request)
        free = self._free() if self._wishes() else None
        routes, total = api_routes(self.registry, self.model.row)
        if not left.choices:
            return refused(
                self.model.row,
                self.request,
                self.cards,
                verdict="no_checkpoint",
                binding=left.field,
                reasons=(f"{left.field}: {left.refusal}",),
                alternatives=tuple(self._without_wishes(free)),
                offers=routes,
                offers_total=total,
            )
        found, cards = self._planned(left.choices, self.request, self.cards)
        if found.verdict != "fits":
            own = [one.variant for one in left.choices]
            found = _plan(left.choices, cards, self.request, siblings=self._siblings() or own)
        chosen = found.chosen
        assert chosen is not None  # there was a choice
        choice = next(one for one in left.choices if one.variant.variant_id == chosen.variant.variant_id)
        instead = [] if chosen.starts else [*self._without_wishes(free)]
        if chosen.verdict != "unsupported" or not instead:
            instead += [alternative_of(one, self.request) for one in found.alternatives]
        if chosen.verdict == "does_not_fit":
            instead += smaller_models(self.registry, self.model.row, self.request, cards)
        if found.verdict == "unknown" and not self.request.local_path:
            instead.append(_FROM_FILES)
        return written(
            found,
            self.model,
            choice,
            cards,
            self.request,
            overridden=overrides(self.request, WISHES, free, self._hub(free), found),
            alternatives=instead,
            offers=routes,
            offers_total=total,
            recipes=[
                Deployment.model_validate(row)
                for row in self.registry.rows("deployments.jsonl", "variant", chosen.variant.variant_id)
            ],
        )

    def _hub(self, free: ServingPlan | None) -> str | None:
        """Where the planner's own choice would come from."""
        best = free.chosen if free is not None else None
        return None if best is None else self.model.rows[best.variant.variant_id].get("hub")

    def _siblings(self) -> list[FitVariant]:
        """Every checkpoint that can be had from the source that is asked for."""
        plain = PlanRequest(model=self.model.id, source=self.request.source)
        return [one.variant for one in checkpoints(replace(self.model, named=None), plain).choices]

    def _wishes(self) -> list[str]:
        return [name for name in WISHES if getattr(self.request, name) is not None]

    def _free(self) -> ServingPlan | None:
        """What the planner would choose without the request's wishes."""
        plain = self.request.model_copy(update={**dict.fromkeys(WISHES), "online": False})
        choices = checkpoints(self.model, plain).choices
        return self._planned(choices, plain, self.cards)[0] if choices else None

    def _planned(
        self, choices: Sequence[Choice], request: PlanRequest, cards: Cards
    ) -> tuple[ServingPlan, Cards]:
        """The plan on all cards, or on the fewest detected ones that serve the same checkpoint as well."""
        most = _plan(choices, cards, request)
        best = most.chosen
        if best is None or best.verdict != "fits" or not cards.found or cards.ids or cards.count == 1:
            return most, cards
        if request.goal != "standard" or request.tensor_parallel or request.pipeline_parallel:
            return most, cards
        own = [one for one in choices if one.variant.variant_id == best.variant.variant_id]
        fewer = 1
        while fewer < cards.count:
            less = replace(cards, count=fewer)
            small = _plan(own, less, request.model_copy(update={"engine": best.engine}), best.context)
            if small.verdict == "fits":
                reason = f"{fewer} of the {cards.count} cards hold it as well, so the others stay free"
                return small, replace(less, remarks=(*cards.remarks, reason))
            fewer *= 2
        return most, cards

    def _without_wishes(self, free: ServingPlan | None) -> list[PlanAlternative]:
        """What starts without one of the request's wishes, or else without all of them."""
        if free is None or free.chosen is None or not free.chosen.starts:
            return []
        wishes = self._wishes()
        # A directory is where a local source lies: the two are one wish.
        apart = [("source", "local_path") if name == "source" else (name,) for name in wishes]
        apart = [names for names in apart if names != ("local_path",)]
        if len(apart) > 1:
            found = [one for names in apart if (one := self._without(names)) is not None]
            if found:
                return found
        best = free.chosen
        kept = {"variant": best.variant.variant_id, "online": False}
        plain = self.request.model_copy(update={**dict.fromkeys(WISHES), **kept})
        return [PlanAlternative(change="override", text=self._said(wishes, best), request=plain)]

    def _without(self, names: Sequence[str]) -> PlanAlternative | None:
        """The plan without these wishes, where it starts."""
        online = self.request.online and "quantization" not in names
        asked = self.request.model_copy(update={**dict.fromkeys(names), "online": online})
        try:
            choices = checkpoints(self.model, asked).choices
        except FitInputError:  # weights in a directory that are not what is left of the request
            return None
        best = _plan(choices, self.cards, asked).chosen if choices else None
        if best is None or not best.starts:
            return None
        return PlanAlternative(change="override", text=self._said(names, best), request=asked)

    def _said(self, names: Sequence[str], best: Candidate) -> str:
        asked = ", ".join(
            f"{name.replace('_', ' ')} {wish}" for name in names if (wish := getattr(self.request, name))
        )
        return (
            f"without {asked}: {best.variant.variant_id} with {best.engine}, TP {best.tp}, "
            f"{best.context or 0:,} tokens: {best.verdict}"
        )


def _plan(
    choices: Sequence[Choice],
    cards: Cards,
    request: PlanRequest,
    context: int | None = None,
    siblings: Sequence[FitVariant] = (),
) -> ServingPlan:
    return plan(
        [one.variant for one in choices],
        cards.profile,
        cards.count,
        goal=request.goal,
        context=context or request.context,
        concurrency=request.concurrency,
        engine=request.engine,
        engine_version=request.engine_version,
        kv_cache_dtype=request.kv_cache_dtype or "auto",
        tp=request.tensor_parallel,
        pp=request.pipeline_parallel,
        utilization=request.gpu_memory_utilization,
        with_alternatives=bool(siblings),
        siblings=siblings,
    )
