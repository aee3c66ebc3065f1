"""Activates and deactivates one named KServe service: server-side apply, dry unless asked, never over others.

Every change is first asked of the server as a dry run; what that would change is what is shown, and applied
only to the object that was shown.
"""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from modelscan_catalog.deploy.kserve.api import (
    INFERENCE_SERVICE,
    LLM_INFERENCE_SERVICE,
    Cluster,
    Document,
    Kind,
)
from modelscan_catalog.deploy.kserve.refusals import NotAllowedError, NotServedError
from modelscan_catalog.errors import ConflictError, ManifestError

KINDS = (INFERENCE_SERVICE, LLM_INFERENCE_SERVICE)
OURS = {"app.kubernetes.io/managed-by": "modelscan"}
"""Label of what ModelScan made; the emitted manifests carry it."""
STOP = "serving.kserve.io/stop"
"""Annotation on which KServe takes a service's pods away and keeps its definition (KServe #4337, #4839)."""
_SCALER = "modelscan-scale"
"""Manager of stop and replicas, so that scaling leaves the rest of an applied document alone."""
_VOLATILE = ("creationTimestamp", "generation", "managedFields", "resourceVersion", "uid")

Action = Literal["create", "update", "unchanged", "delete", "absent"]


@dataclass(frozen=True, slots=True)
class Change:
    """What was done, or with ``applied`` false what would be."""

    action: Action
    applied: bool
    kind: str
    namespace: str
    name: str
    differences: tuple[str, ...] = ()
    """``path: before → after`` of an update, defaults of the server included."""
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None


class KServe:
    """The services of one namespace; methods raise ``DeployError`` and its kinds."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self.cluster = cluster
        self.namespace = namespace

    def find(self, name: str) -> dict[str, Any] | None:
        """The service of that name, of whichever kind; None when there is none.

        A kind that the account may not read has none; raises ``NotAllowedError`` where it may read neither.
        """
        denied = []
        for kind in KINDS:
            try:
                found = self.cluster.get(kind, self.namespace, name)
            except NotAllowedError as error:
                denied.append(error)
                continue
            if found is not None:
                return found
        if len(denied) == len(KINDS):
            raise denied[0]
        return None

    def services(self) -> list[dict[str, Any]]:
        """All services by name, those that ModelScan did not make too.

        Raises ``NotServedError`` or ``NotAllowedError`` where neither kind is to be had.
        """
        found: list[dict[str, Any]] = []
        missing: list[NotServedError | NotAllowedError] = []
        for kind in KINDS:
            try:
                found += self.cluster.list(kind, self.namespace)
            except (NotServedError, NotAllowedError) as error:
                missing.append(error)
        if len(missing) == len(KINDS):
            raise missing[0]
        return sorted(found, key=lambda item: str(item["metadata"]["name"]))

    def activate(self, document: Document, *, apply: bool = False, force: bool = False) -> Change:
        """Create ``document`` or change what has its name to it.

        ``force`` takes over what somebody else made, or fields that another manager holds. Raises
        ``DocumentRefusedError`` naming fields, ``ConflictError`` for what is not ours, for fields held by
        others and for an object that changed between the dry run and the change.
        """
        kind = kind_of(document)
        wanted = _ours(document, self.namespace)
        name = str(wanted["metadata"]["name"])
        self.cluster.validate(kind, self.namespace, wanted)
        before = self.find(name)
        if before is not None:
            if before.get("kind") != kind.name:
                raise ConflictError(
                    f"{self.namespace}/{name} is of kind {before.get('kind')} now: remove it, or name another"
                )
            if before["metadata"].get("deletionTimestamp"):
                raise ConflictError(f"{self.namespace}/{name} is being deleted: ask again once it is gone")
            self._must_be_ours(before, force)
            wanted["metadata"]["resourceVersion"] = before["metadata"]["resourceVersion"]
        after = self._apply(kind, wanted, dry_run=True, force=force)
        differences = tuple(_differences(content(before), content(after))) if before else ()
        action: Action = "create" if before is None else "update" if differences else "unchanged"
        applied = apply and action != "unchanged"
        if applied:
            after = self._apply(kind, wanted, dry_run=False, force=force)
            if before is None and after["metadata"].get("generation", 1) > 1:
                # The API has no exclusive apply: the last of two creations at the same moment holds, whole.
                action, differences = "update", ("somebody else made it at the same moment; now it is this",)
        return Change(action, applied, kind.name, self.namespace, name, differences, before, after)

    def deactivate(self, name: str, *, apply: bool = False, force: bool = False) -> Change:
        """Delete the service of that name; nothing to do when there is none.

        Raises ``ConflictError`` for one that ModelScan did not make (``force`` deletes it), and when it was
        replaced meanwhile.
        """
        before = self.find(name)
        if before is None:
            return Change("absent", False, "", self.namespace, name)
        self._must_be_ours(before, force)
        kind = kind_of(before)
        gone = self.cluster.delete(
            kind, self.namespace, name, str(before["metadata"]["uid"]), dry_run=not apply
        )
        return Change(
            "delete" if gone else "absent", apply and gone, kind.name, self.namespace, name, (), before
        )

    def scale(self, name: str, replicas: int, *, apply: bool = False, force: bool = False) -> Change:
        """Set the replicas of a service; 0 stops it and keeps its definition and its replicas.

        Raises ``ConflictError`` when there is none of that name, or one that ModelScan did not make.
        """
        before = self.find(name)
        if before is None:
            raise ConflictError(f"{self.namespace}/{name}: there is no service of that name to scale")
        self._must_be_ours(before, force)
        kind = kind_of(before)
        wanted = {
            "apiVersion": kind.api_version,
            "kind": kind.name,
            "metadata": {
                "name": name,
                "namespace": self.namespace,
                "resourceVersion": before["metadata"]["resourceVersion"],
                "annotations": {STOP: "false" if replicas else "true"},
            },
            "spec": _replicas(kind, before["spec"], replicas),
        }
        after = self.cluster.apply(
            kind, self.namespace, wanted, dry_run=not apply, force=True, manager=_SCALER
        )
        differences = tuple(_differences(content(before), content(after)))
        action: Action = "update" if differences else "unchanged"
        return Change(
            action, apply and bool(differences), kind.name, self.namespace, name, differences, before, after
        )

    def _apply(self, kind: Kind, wanted: Document, *, dry_run: bool, force: bool) -> dict[str, Any]:
        return self.cluster.apply(
            kind, self.namespace, wanted, dry_run=dry_run, force=force, yielding=(_SCALER,)
        )

    def _must_be_ours(self, found: Document, force: bool) -> None:
        if not force and not is_ours(found):
            name = found["metadata"]["name"]
            raise ConflictError(
                f"{found.get('kind')} {self.namespace}/{name} was not made by ModelScan (it has no label "
                "app.kubernetes.io/managed-by: modelscan); choose another name, or take it over with force"
            )


def kind_of(document: Document) -> Kind:
    """The kind of a manifest; raises ``ManifestError`` for one that is no service of KServe."""
    for kind in KINDS:
        if document.get("kind") == kind.name:
            if document.get("apiVersion") not in (None, kind.api_version):
                raise ManifestError(
                    f"apiVersion: {document.get('apiVersion')} of {kind.name} is not spoken here; "
                    f"write {kind.api_version}"
                )
            return kind
    raise ManifestError(
        f"kind: {str(document.get('kind'))[:60]} is no service: {' or '.join(k.name for k in KINDS)} is"
    )


def is_ours(found: Document) -> bool:
    """Whether ModelScan made it."""
    labels = found.get("metadata", {}).get("labels") or {}
    return all(labels.get(name) == value for name, value in OURS.items())


def named(document: Document, name: str, namespace: str) -> dict[str, Any]:
    """``document`` under another name, still serving its model under the name that clients know.

    Runtimes serve a model under the service's name unless an argument says otherwise; KServe's huggingface
    runtime is always given one.
    """
    renamed = copy.deepcopy(dict(document))
    metadata = renamed.setdefault("metadata", {})
    served = metadata.get("name")
    metadata["name"], metadata["namespace"] = name, namespace
    model = renamed.get("spec", {}).get("predictor", {}).get("model")
    if (
        isinstance(model, dict)
        and model.get("modelFormat", {}).get("name") != "huggingface"
        and served not in (None, name)
    ):
        arguments = model.setdefault("args", [])
        if not any(str(word).partition("=")[0] == "--served-model-name" for word in arguments):
            arguments.insert(0, f"--served-model-name={served}")
    return renamed


def _ours(document: Document, namespace: str) -> dict[str, Any]:
    """``document`` with our label, and running."""
    wanted = copy.deepcopy(dict(document))
    metadata = wanted.setdefault("metadata", {})
    if not metadata.get("name"):
        raise ManifestError("metadata.name: is missing; name the service")
    metadata["namespace"] = namespace
    metadata["labels"] = {**(metadata.get("labels") or {}), **OURS}
    metadata["annotations"] = {**(metadata.get("annotations") or {}), STOP: "false"}
    wanted["apiVersion"] = kind_of(document).api_version
    wanted.pop("status", None)
    return wanted


def _replicas(kind: Kind, spec: Mapping[str, Any], replicas: int) -> dict[str, Any]:
    """The part of a spec that says how many; for 0 as it is, so that a start finds them again."""
    if kind is LLM_INFERENCE_SERVICE:
        if "scaling" in spec:
            return {}
        count = replicas or spec.get("replicas")
        return {} if count is None else {"replicas": count}
    predictor = spec.get("predictor", {})
    bounds = {key: replicas or predictor.get(key) for key in ("minReplicas", "maxReplicas")}
    return {"predictor": {key: value for key, value in bounds.items() if value is not None}}


def content(found: Document | None) -> dict[str, Any] | None:
    """What of an object somebody asked for; None for none."""
    if found is None:
        return None
    metadata = found.get("metadata", {})
    return {
        "metadata": {key: value for key, value in metadata.items() if key not in _VOLATILE},
        "spec": found.get("spec", {}),
    }


def _differences(before: Any, after: Any, path: str = "") -> Iterator[str]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in sorted({*before, *after}):
            yield from _differences(before.get(key), after.get(key), f"{path}.{key}".lstrip("."))
    elif before != after:
        yield f"{path}: {_short(before)} → {_short(after)}"


def _short(value: Any) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= 160 else f"{text[:157]}…"
