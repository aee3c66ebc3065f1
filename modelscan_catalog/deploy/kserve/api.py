"""One Kubernetes API server: its objects by kind and name, and every refusal as a field and what to do."""

import json
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

from modelscan_catalog.deploy.kserve.refusals import holders, refusal
from modelscan_catalog.errors import ServerUnreachableError, SettingsError

FIELD_MANAGER = "modelscan"
"""Owner of the fields that ModelScan applies, as ``kubectl get --show-managed-fields`` shows it."""

Document = Mapping[str, Any]
_JSON = dict[str, Any]
_CONNECT_TIMEOUT_S = 5.0
_READ_TIMEOUT_S = 30.0
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of object in the version that ModelScan speaks."""

    api_version: str
    plural: str
    name: str

    @property
    def root(self) -> str:
        """Path of its group and version."""
        return f"/api{'s' if '/' in self.api_version else ''}/{self.api_version}"

    def path(self, namespace: str | None, name: str = "") -> str:
        """Of one object, or of all in ``namespace``; raises ``SettingsError`` for what is no name."""
        for label in (namespace, name):
            if label and not _NAME.fullmatch(label):
                raise SettingsError(
                    f"{label[:80]!r} is no Kubernetes name: use lower case letters, digits, dashes"
                )
        within = f"/namespaces/{namespace}" if namespace else ""
        return f"{self.root}{within}/{self.plural}" + (f"/{name}" if name else "")


INFERENCE_SERVICE = Kind("serving.kserve.io/v1beta1", "inferenceservices", "InferenceService")
LLM_INFERENCE_SERVICE = Kind("serving.kserve.io/v1alpha2", "llminferenceservices", "LLMInferenceService")


class Cluster:
    """A connection; its methods raise ``DeployError`` and its kinds, never an exception of the client."""

    def __init__(self, client: Any, server: str) -> None:
        self._client = client
        self.server = server
        """Base URL of the API server."""
        self._served: dict[str, frozenset[str]] = {}

    def get(self, kind: Kind, namespace: str | None, name: str) -> _JSON | None:
        """One object; None when there is none of that name, or when its kind is not served."""
        status, answer = self._call("GET", kind.path(namespace, name))
        if status == HTTPStatus.NOT_FOUND:
            return None
        return self._good(status, answer, f"{kind.name} {name}")

    def list(self, kind: Kind, namespace: str | None, labels: str = "") -> list[_JSON]:
        """All objects of a kind, with those ``labels``; raises ``NotServedError``."""
        query = [("labelSelector", labels)] if labels else []
        status, answer = self._call("GET", kind.path(namespace), query)
        items = self._good(status, answer, f"the list of {kind.plural}").get("items")
        return [item for item in items or [] if isinstance(item, dict)]

    def validate(self, kind: Kind, namespace: str, document: Document) -> None:
        """Have the server check every field, without regard to what exists; nothing is created.

        Raises ``DocumentRefusedError`` naming all unknown fields; applying would name the first only.
        """
        metadata = {key: value for key, value in document.get("metadata", {}).items() if key != "name"}
        nameless = {**document, "metadata": {**metadata, "generateName": "modelscan-"}}
        query = [("dryRun", "All"), ("fieldManager", FIELD_MANAGER), ("fieldValidation", "Strict")]
        status, answer = self._call("POST", kind.path(namespace), query, nameless, "application/json")
        self._good(status, answer, f"{kind.name} {namespace}/{document['metadata']['name']}")

    def apply(
        self,
        kind: Kind,
        namespace: str,
        document: Document,
        *,
        dry_run: bool = False,
        force: bool = False,
        manager: str = FIELD_MANAGER,
        yielding: tuple[str, ...] = (),
    ) -> _JSON:
        """Server-side apply; the object as the server keeps it, or would.

        With ``metadata.resourceVersion`` the object must be as it was read. Without ``force`` only fields
        are changed that nobody else holds, or nobody but the ``yielding`` managers. Raises ``ConflictError``
        naming the holders.
        """
        name = str(document.get("metadata", {}).get("name", ""))
        query = [("fieldManager", manager), ("fieldValidation", "Strict"), ("force", str(force).lower())]
        if dry_run:
            query.append(("dryRun", "All"))
        status, answer = self._call(
            "PATCH", kind.path(namespace, name), query, document, "application/apply-patch+yaml"
        )
        if (
            status == HTTPStatus.CONFLICT
            and not force
            and holders(answer)
            and holders(answer) <= set(yielding)
        ):
            return self.apply(kind, namespace, document, dry_run=dry_run, force=True, manager=manager)
        return self._good(status, answer, f"{kind.name} {namespace}/{name}")

    def delete(
        self, kind: Kind, namespace: str | None, name: str, uid: str, *, dry_run: bool = False
    ) -> bool:
        """Delete the object with that ``uid``; False when it is gone already.

        Raises ``ConflictError`` when another one has its name by now.
        """
        options: _JSON = {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": uid}}
        if dry_run:  # in the body: with one, the server does not look at the query
            options["dryRun"] = ["All"]
        status, answer = self._call("DELETE", kind.path(namespace, name), (), options, "application/json")
        if status == HTTPStatus.NOT_FOUND:
            return False
        self._good(status, answer, f"{kind.name} {namespace}/{name}")
        return True

    def serves(self, kind: Kind) -> bool:
        """Whether the server knows the kind in that version; asked once a connection."""
        if kind.api_version not in self._served:
            status, answer = self._call("GET", kind.root)
            resources = (
                []
                if status == HTTPStatus.NOT_FOUND
                else self._good(status, answer, kind.root).get("resources")
            )
            self._served[kind.api_version] = frozenset(str(row.get("name")) for row in resources or [])
        return kind.plural in self._served[kind.api_version]

    def _good(self, status: int, answer: Any, what: str) -> _JSON:
        if status < 300 and isinstance(answer, dict):
            return answer
        raise refusal(status, answer, what, self.server)

    def _call(
        self,
        method: str,
        path: str,
        query: Sequence[tuple[str, str]] = (),
        body: Document | None = None,
        content_type: str | None = None,
    ) -> tuple[int, Any]:
        from kubernetes.client.exceptions import ApiException
        from urllib3.exceptions import HTTPError

        headers = {"Accept": "application/json"}
        if content_type:
            headers["Content-Type"] = content_type
        try:
            request = self._client.param_serialize(
                method=method,
                resource_path=path,
                query_params=list(query),
                header_params=headers,
                body=body,
                auth_settings=["BearerToken"],
            )
            answer = self._client.call_api(*request, _request_timeout=(_CONNECT_TIMEOUT_S, _READ_TIMEOUT_S))
            text = answer.read()
        except (HTTPError, OSError, ApiException) as error:
            reason = getattr(error, "reason", None) or error
            raise ServerUnreachableError(
                f"{self.server}: no answer to {method} {path}: {str(reason)[:200]}; "
                "is the cluster up, and does KUBECONFIG or --kubeconfig name the right one?"
            ) from error
        try:
            return answer.status, json.loads(text)
        except ValueError:
            return answer.status, text.decode("utf-8", "replace")[:300]


def connect(kubeconfig: str | None = None) -> Cluster:
    """The cluster of ``kubeconfig`` (paths separated by a colon), of ``~/.kube/config``, or of this pod.

    Raises ``SettingsError`` for a file that cannot be used, ``ServerUnreachableError`` where there is none.
    """
    import yaml
    from kubernetes.client import ApiClient, Configuration
    from kubernetes.config import ConfigException, load_incluster_config, load_kube_config
    from urllib3 import Retry
    from urllib3.exceptions import InsecureRequestWarning

    settings = Configuration()
    usual = Path("~/.kube/config").expanduser()
    try:
        if kubeconfig or usual.is_file():
            load_kube_config(  # type: ignore[no-untyped-call]
                kubeconfig or str(usual), client_configuration=settings, persist_config=False
            )
        else:
            load_incluster_config(client_configuration=settings)  # type: ignore[no-untyped-call]
    except (
        ConfigException,
        yaml.YAMLError,
        OSError,
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
    ) as error:
        if not kubeconfig and not usual.is_file():
            raise ServerUnreachableError(
                f"there is no cluster: no {usual}, and this is no pod; set KUBECONFIG or give --kubeconfig"
            ) from error
        raise SettingsError(f"{kubeconfig or usual}: is no usable kubeconfig: {str(error)[:200]}") from error
    if not settings.verify_ssl:  # the kubeconfig says so; kubectl does not warn of it at every call either
        warnings.filterwarnings("ignore", category=InsecureRequestWarning)
    # Again is sent what was never sent, and what a busy server put off with a Retry-After: whatever changes
    # something here does the same when it is done twice.
    settings.retries = Retry(
        connect=2,
        read=False,
        redirect=0,
        status=4,
        other=0,
        allowed_methods=None,
        backoff_factor=0.2,
        retry_after_max=10,
        raise_on_status=False,
    )
    return Cluster(ApiClient(settings), settings.host.rstrip("/"))
