"""GPUStack as a target: what the server is asked for each step, and how its answers are understood."""

import time
import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from packaging.version import InvalidVersion, Version

from modelscan_catalog.deploy.deployer import Cards, Health, Judgement, Sighting, Wanted
from modelscan_catalog.deploy.gpustack.api import GPUStackApi, RefusedError
from modelscan_catalog.deploy.gpustack.records import (
    Backend,
    Cluster,
    Device,
    Evaluation,
    ServerInstance,
    ServerModel,
    read,
)
from modelscan_catalog.deploy.gpustack.remarks import single_lines, what_it_ignores, with_way_out
from modelscan_catalog.deploy.gpustack.states import MARK, sighting, stuck
from modelscan_catalog.errors import DeployError
from modelscan_catalog.manifests.engines import canonical_engine
from modelscan_catalog.manifests.gpustack import BACKENDS, gpustack_name, model_body
from modelscan_catalog.state.audit import content_sha256
from modelscan_catalog.state.deployments import Target

GIB = 2**30
EVALUATION_S = 180.0
"""The server reads the repository from its hub while it evaluates."""
PROBE_S = 60.0
"""One token of a model that has just been loaded."""
_MOST_VERSIONS = 8
"""Versions that a message lists."""
_CLEARED = (
    "huggingface_repo_id",
    "huggingface_filename",
    "model_scope_model_id",
    "model_scope_file_path",
    "local_path",
    "backend_version",
    "gpu_selector",
    "env",
)
"""What an update must set to null when the new document leaves it out: the server keeps what is not sent."""
_PROBES: dict[str, tuple[str, dict[str, Any]]] = {
    "llm": ("/v1/chat/completions", {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1}),
    "embedding": ("/v1/embeddings", {"input": "Hi"}),
    "reranker": ("/v1/rerank", {"query": "Hi", "documents": ["Hi"]}),
}
"""The smallest request of each category; the others are only looked up in the model list."""


class GPUStackDeployer:
    """One GPUStack server; implements ``deployer.Deployer``. ``cluster`` is a cluster's name or id."""

    target: Target = "gpustack"

    def __init__(self, api: GPUStackApi, cluster: str | None = None) -> None:
        self._api = api
        self._cluster_asked = cluster
        self._cluster: Cluster | None = None
        self._known_backends: tuple[Backend, ...] | None = None

    @property
    def server(self) -> str:
        """Base URL."""
        return self._api.base_url

    @property
    def key_reference(self) -> str | None:
        """The same key serves management and inference."""
        return self._api.key_reference

    def close(self) -> None:
        """Close the connections."""
        self._api.close()

    def cards(self) -> tuple[Cards, ...]:
        """Cards of the cluster's workers, those with the most of one kind first."""
        cluster = self._find_cluster()
        kinds: dict[tuple[str, str], list[Device]] = {}
        for item in self._api.pages("/v2/gpu-devices", {"cluster_id": cluster.id}):
            device = read(Device, item, f"{self.server}/v2/gpu-devices")
            kinds.setdefault((device.worker_name, device.name), []).append(device)
        found = []
        for (node, name), devices in kinds.items():
            ids = tuple(one.id for one in sorted(devices, key=lambda one: one.index))
            sizes = [one.memory.total for one in devices if one.memory and one.memory.total]
            total_gib = min(sizes) / GIB if sizes else None
            found.append(Cards(name, len(devices), node, ids, total_gib, devices[0].compute_capability))
        return tuple(sorted(found, key=lambda cards: (-cards.count, cards.node, cards.name)))

    def version_for(self, engine: str, wanted: str) -> str | None:
        """The newest that the server lists and that is not newer; ``wanted`` where it lists none."""
        backend = self._backend(BACKENDS[canonical_engine(engine) or "vllm"])
        listed = backend.version_names if backend is not None else ()
        older = [name for name in listed if _is_release(name) and Version(name) <= Version(wanted)]
        return max(older, key=Version, default=None) if listed else wanted

    def body(self, wanted: Wanted) -> dict[str, Any]:
        """The body of ``POST /v2/models``, marked in ``meta`` as ours, with a hash of what it asks for.

        The engine's version is the plan's own where the server lists versions, there or not: ``evaluate``
        refuses one that is not.
        """
        plan = wanted.plan
        launch = replace(plan.launch_plan(), served_model_name=wanted.name)
        if gpustack_name(wanted.name) != wanted.name:
            raise DeployError(
                f"name {wanted.name!r}: GPUStack takes letters, digits and _-.: from a letter to a letter or "
                f"digit; {gpustack_name(wanted.name)!r} would do"
            )
        backend = self._backend(BACKENDS[launch.engine])
        version = launch.engine_version if backend is not None and backend.version_names else None
        body = model_body(launch, cluster_id=self._find_cluster().id, version=version)
        body["replicas"] = wanted.replicas
        if wanted.card_ids:
            body["gpu_selector"] = {
                "gpu_ids": list(wanted.card_ids),
                "gpus_per_replica": launch.tensor_parallel * launch.pipeline_parallel,
            }
        asked = {name: value for name, value in body.items() if name != "replicas"}
        mark = {
            "body_sha256": content_sha256(asked),
            "model": plan.model_id,
            "checkpoint": plan.variant_id,
            "gpu": f"{plan.gpu_profile_id}:{plan.gpu_count}",
        }
        return body | {"meta": {MARK: mark}}

    def evaluate(self, wanted: Wanted, body: Mapping[str, Any]) -> Judgement:
        """The server's evaluation, and first whether it has the backend: it accepts any name silently.

        A deployment of that name that already holds cards is judged by the server as if they were taken, so
        its verdict is asked for new ones only.
        """
        missing = self._missing_backend(body)
        if missing:
            return Judgement(False, (missing,))
        model = self._model(wanted.name)
        if model is not None:
            seen = self._seen(model)
            taken = self._taken(seen)
            if taken:
                return Judgement(False, (taken,))
            same = seen.body_sha256 == body["meta"][MARK]["body_sha256"]
            change = "as asked" if same else "with other settings: --apply changes them and restarts it"
            return Judgement(True, remarks=(f"it is there already, {seen.state}, {change}",))
        # The server keeps verdicts for an hour, failures to reach its hub too; a new meta is a new question.
        fresh = {**body, "meta": {**body["meta"], "asked": uuid.uuid4().hex}}
        request = {"cluster_id": body.get("cluster_id"), "model_specs": [fresh]}
        where = "/v2/model-evaluations"
        answer = self._api.call("POST", where, request, timeout_s=EVALUATION_S, retry=True)
        results = answer.get("results") if isinstance(answer, dict) else None
        if not isinstance(results, list) or not results:
            raise DeployError(f"{self.server}{where}: answered without a verdict")
        found = read(Evaluation, results[0], f"{self.server}{where}")
        told = [*(found.compatibility_messages or ()), *(found.scheduling_messages or ())]
        if found.error_message:
            told.insert(0, found.error_message)
        claim = found.resource_claim
        accepted = found.compatible and not found.error
        lines = single_lines(told)
        return Judgement(
            accepted=accepted,
            reasons=() if accepted else tuple(with_way_out(lines)) or ("the server gives no reason",),
            remarks=(*lines, *what_it_ignores(wanted)) if accepted else (),
            vram_gib=claim.vram / GIB if claim else None,
            ram_gib=claim.ram / GIB if claim else None,
        )

    def ensure(self, wanted: Wanted, body: Mapping[str, Any]) -> Sighting:
        """Create, change, start again, or leave alone; see ``Deployer.ensure``."""
        model = self._model(wanted.name)
        if model is None:
            try:
                answer = self._api.call("POST", "/v2/models", body)
            except RefusedError as error:
                if error.status != 409:
                    raise
                model = self._model(wanted.name)  # somebody came between the look and the call
                if model is None:
                    raise
            else:
                return self._seen(read(ServerModel, answer, f"{self.server}/v2/models"))
        seen = self._seen(model)
        same = seen.body_sha256 == body["meta"][MARK]["body_sha256"]
        taken = self._taken(seen)
        if taken:
            raise DeployError(taken)
        path = f"/v2/models/{model.id}"
        if same and model.replicas == wanted.replicas:
            if stuck(self._instances(model.id)):
                self._api.call("POST", f"{path}/restart")
            return self._seen(model)
        identity = {"name": model.name, "source": body["source"]}
        if same:
            changes: dict[str, Any] = {
                **identity,
                **_source_fields(body),
                "replicas": wanted.replicas,
            }
        else:
            changes = {**dict.fromkeys(_CLEARED), **body}
        changed = read(ServerModel, self._api.call("PUT", path, changes), f"{self.server}{path}")
        if not same and model.replicas and wanted.replicas:
            # Running instances keep the old settings until they are made anew.
            self._api.call("POST", f"{path}/restart")
        return self._seen(changed)

    def look(self, name: str) -> Sighting | None:
        """The model of that name with its instances."""
        model = self._model(name)
        return None if model is None else self._seen(model)

    def list(self) -> list[Sighting]:
        """All models of the server, by name."""
        instances: dict[int, list[ServerInstance]] = {}
        for item in self._api.pages("/v2/model-instances"):
            instance = read(ServerInstance, item, f"{self.server}/v2/model-instances")
            instances.setdefault(int(item.get("model_id") or 0), []).append(instance)
        models = [
            read(ServerModel, item, f"{self.server}/v2/models") for item in self._api.pages("/v2/models")
        ]
        return [
            sighting(model, instances.get(model.id, ()), self.server)
            for model in sorted(models, key=lambda model: model.name)
        ]

    def health(self, seen: Sighting) -> Health:
        """The model list, then the smallest request of its category; a route follows its model."""
        began = time.monotonic()
        try:
            listed = self._api.call("GET", "/v1/models")
            ids = [one.get("id") for one in (listed or {}).get("data", ()) if isinstance(one, dict)]
            if seen.served_model not in ids:
                return Health(False, f"{seen.served_model} is not in {self.server}/v1/models yet")
            model = self._model(seen.name)
            probe = next(
                (_PROBES[name] for name in (model.categories if model else ()) if name in _PROBES), None
            )
            if probe is None:
                return Health(True, "it is in the model list; this kind of model is not asked for output")
            path, request = probe
            self._api.call("POST", path, {"model": seen.served_model, **request}, timeout_s=PROBE_S)
        except DeployError as error:
            return Health(False, str(error))
        seconds = time.monotonic() - began
        return Health(True, f"{path} answers", seconds)

    def scale(self, name: str, replicas: int) -> Sighting:
        """``PUT`` with the number of replicas, all else as it is."""
        model = self._model(name)
        if model is None:
            raise DeployError(f"{name}: {self.server} has no model of that name; see modelscan list")
        path = f"/v2/models/{model.id}"
        kept = {"name": model.name, "source": model.source, **_source_fields(model.model_dump())}
        answer = self._api.call("PUT", path, {**kept, "replicas": replicas})
        return self._seen(read(ServerModel, answer, f"{self.server}{path}"))

    def remove(self, name: str) -> bool:
        """``DELETE``, with its route and instances."""
        model = self._model(name)
        if model is None:
            return False
        try:
            self._api.call("DELETE", f"/v2/models/{model.id}")
        except RefusedError as error:
            if error.status != 404:
                raise
            return False
        return True

    def _taken(self, seen: Sighting) -> str | None:
        """Why the name of ``seen`` cannot be used; null when it is ours."""
        if seen.ours:
            return None
        return (
            f"{seen.name}: {self.server} has a model of that name that ModelScan did not make "
            f"({seen.source or 'unknown weights'}); give another --name, or remove that one there"
        )

    def _model(self, name: str) -> ServerModel | None:
        # ``search`` finds parts of names too.
        for item in self._api.pages("/v2/models", {"search": name}):
            if item.get("name") == name:
                return read(ServerModel, item, f"{self.server}/v2/models")
        return None

    def _instances(self, model_id: int) -> tuple[ServerInstance, ...]:
        where = f"/v2/models/{model_id}/instances"
        found = self._api.pages(where)
        return tuple(read(ServerInstance, item, f"{self.server}{where}") for item in found)

    def _seen(self, model: ServerModel) -> Sighting:
        return sighting(model, self._instances(model.id), self.server)

    def _find_cluster(self) -> Cluster:
        """The asked cluster, else the server's default, else its only one."""
        if self._cluster is None:
            where = "/v2/clusters"
            found = [read(Cluster, item, f"{self.server}{where}") for item in self._api.pages(where)]
            asked = self._cluster_asked
            if asked is not None:
                chosen = [one for one in found if asked in (one.name, str(one.id))]
            else:
                chosen = [one for one in found if one.is_default] or found
            if len(chosen) != 1:
                names = ", ".join(one.name for one in found) or "none"
                wrong = "" if asked is None else f"there is no cluster {asked!r}: "
                raise DeployError(f"{self.server}: {wrong}name one with --cluster; there are: {names}")
            self._cluster = chosen[0]
        return self._cluster

    def _backends(self) -> tuple[Backend, ...]:
        """What the server can start; asked once."""
        if self._known_backends is None:
            where = "/v2/inference-backends/list"
            answer = self._api.call("GET", where)
            items = answer.get("items", ()) if isinstance(answer, dict) else ()
            found = (read(Backend, item, f"{self.server}{where}") for item in items)
            self._known_backends = tuple(one for one in found if one.enabled is not False)
        return self._known_backends

    def _backend(self, name: str) -> Backend | None:
        return next((one for one in self._backends() if one.backend_name == name), None)

    def _missing_backend(self, body: Mapping[str, Any]) -> str | None:
        """Why the server cannot start the body's backend; null when it can."""
        backend = self._backend(body["backend"])
        if backend is None:
            names = ", ".join(one.backend_name for one in self._backends())
            return f"the server has no backend {body['backend']}; it has {names or 'none'}"
        version, versions = body.get("backend_version"), backend.version_names
        if version is not None and versions and version not in versions:
            shown = ", ".join(versions[:_MOST_VERSIONS])
            more = f" and {len(versions) - _MOST_VERSIONS} more" if len(versions) > _MOST_VERSIONS else ""
            return (
                f"the server has no {backend.backend_name} {version}; it has {shown}{more}: give "
                "--backend-version"
            )
        return None


def _is_release(name: str) -> bool:
    """Whether it is a version that can be compared; people may give theirs any name."""
    try:
        Version(name)
    except InvalidVersion:
        return False
    return True


def _source_fields(body: Mapping[str, Any]) -> dict[str, Any]:
    """Where the weights come from; the server refuses an update without it."""
    names = ("huggingface_repo_id", "model_scope_model_id", "local_path")
    return {name: body[name] for name in names if body.get(name) is not None}
