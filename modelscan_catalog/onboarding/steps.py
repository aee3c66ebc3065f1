"""Steps five to eleven: synthesise, validate, generate, compile, contract test, reload router, store."""

from collections.abc import Mapping
from typing import Any, TypeVar

from modelscan_catalog.errors import OnboardingError, SettingsError
from modelscan_catalog.key_hosts import confirm
from modelscan_catalog.onboarding.combine import filled, open_fields, with_key_hosts, with_missing
from modelscan_catalog.onboarding.context import Context
from modelscan_catalog.onboarding.gather import (
    gather_gpustack,
    gather_huggingface,
    gather_models_dev,
    gather_modelscope,
)
from modelscan_catalog.onboarding.hosts import own_domains
from modelscan_catalog.onboarding.inference import Try, infer
from modelscan_catalog.onboarding.openapi import interface_from_openapi
from modelscan_catalog.onboarding.plugins import plugin_texts, synthesizers
from modelscan_catalog.onboarding.probe import Probe, probe
from modelscan_catalog.onboarding.providers import put_provider
from modelscan_catalog.onboarding.records import (
    GATHER,
    Compiled,
    ContractTested,
    Gathered,
    Generated,
    Reloaded,
    StepName,
    Stored,
    Synthesised,
    Validated,
)
from modelscan_catalog.onboarding.rules import interface_by_rules
from modelscan_catalog.onboarding.tables import Confirmation, confirmations, interface_tables
from modelscan_catalog.onboarding.texts import read_bytes, source_text
from modelscan_catalog.records import Record
from modelscan_catalog.router.added_keys import add_key
from modelscan_catalog.router.deployments import register_deployment
from modelscan_catalog.router.overlays import read_overlaid
from modelscan_catalog.sdk.access import VARIABLE
from modelscan_catalog.sdk.check import check_clients
from modelscan_catalog.sdk.history import record_version, write_active
from modelscan_catalog.sdk.interface import Evidence, ProviderInterface, faults
from modelscan_catalog.sdk.render import GeneratedClient, generate, interface_sha256
from modelscan_catalog.state import open_state

R = TypeVar("R", bound=Record)
Inputs = Mapping[StepName, Record]

DEPENDS: dict[StepName, tuple[StepName, ...]] = {
    "gather_models_dev": (),
    "gather_gpustack": (),
    "gather_huggingface": (),
    "gather_modelscope": (),
    "synthesise": GATHER,
    "validate": ("synthesise",),
    "generate": ("validate",),
    "compile": ("generate", "validate"),
    "contract_test": ("generate", "compile", "validate"),
    "reload_router": ("validate", "contract_test", "gather_models_dev"),
    "store": ("validate", "generate", "contract_test", "reload_router"),
}
"""What each step reads."""
RESULTS: dict[StepName, type[Record]] = {
    "gather_models_dev": Gathered,
    "gather_gpustack": Gathered,
    "gather_huggingface": Gathered,
    "gather_modelscope": Gathered,
    "synthesise": Synthesised,
    "validate": Validated,
    "generate": Generated,
    "compile": Compiled,
    "contract_test": ContractTested,
    "reload_router": Reloaded,
    "store": Stored,
}
NOT_KEPT: tuple[StepName, ...] = ("reload_router", "store")
"""Steps that change something outside: done every time, and the same every time."""


class RefusedError(OnboardingError):
    """Validation did not pass; ``tries`` are what language models were asked, ``interface`` what is known."""

    def __init__(self, message: str, interface: ProviderInterface, tries: tuple[Try, ...]) -> None:
        super().__init__(message, "validate")
        self.interface = interface
        self.tries = tries


def _of(inputs: Inputs, step: StepName, kind: type[R]) -> R:
    found = inputs[step]
    assert isinstance(found, kind)
    return found


def synthesise(context: Context, inputs: Inputs) -> Synthesised:
    """The interface by rules, then by the OpenAPI document; what may tell the rest is handed on.

    Raises ``OnboardingError`` when nothing at all is known of the provider.
    """
    gathered = [_of(inputs, step, Gathered) for step in GATHER]
    models_dev = gathered[0]
    tables = interface_tables(context.settings.registry_dir)
    if models_dev.provider is not None:
        interface = interface_by_rules(models_dev.provider, models_dev.offers, tables)
    elif context.openapi or context.docs:
        interface = with_missing(ProviderInterface(provider=context.provider, name=context.provider))
    else:
        raise OnboardingError(
            f"{context.provider}: no source knows this provider; give its OpenAPI document with --openapi, "
            "or its documentation with --docs",
            "synthesise",
        )
    if context.openapi:
        body = read_bytes(context.openapi, live=context.live, allow_loopback=context.allow_loopback)
        stated = interface_from_openapi(body, context.openapi, context.provider)
        interface = filled(interface, stated, tables)
    texts = [text for one in gathered for text in one.texts]
    vouched = []
    if context.docs:
        body = read_bytes(context.docs, live=context.live, allow_loopback=context.allow_loopback)
        texts.insert(0, source_text(context.docs, body))
        vouched.append(context.docs)
    problems: list[str] = []
    if context.live and open_fields(interface):
        found, problems = plugin_texts(context.provider, context.model)
        texts += found
    provider = models_dev.provider
    known = [provider.doc, provider.api] if provider else []
    return Synthesised(
        interface=interface,
        open=open_fields(interface),
        texts=tuple(texts),
        problems=tuple(problems),
        domains=tuple(sorted(own_domains([*known, *vouched]))),
    )


def validate(context: Context, inputs: Inputs) -> tuple[Validated, tuple[Try, ...]]:
    """Pass the interface through its gate; what is open is asked of a language model, three times at most.

    Raises ``RefusedError`` with what is missing or wrong, ``OnboardingError`` for a key that belongs to
    another seller's host or to none that a person has named.
    """
    draft = _of(inputs, "synthesise", Synthesised)
    tables = interface_tables(context.settings.registry_dir)
    inference = infer(
        draft.interface,
        draft.texts,
        frozenset(draft.domains),
        context.synthesis,
        tables,
        synthesizers(),
    )
    interface = with_key_hosts(with_missing(inference.interface), context.allowed)
    wrong = [*interface.missing, *faults(interface)]
    if wrong:
        raise RefusedError(f"{context.provider}: {'; '.join(wrong)}", interface, inference.tries)
    _check_key(context, interface.base_url)
    interface = _with_named_key(context, interface)
    sha256 = interface_sha256(interface)
    found: Probe | None = None
    confirmation: Confirmation | None = None
    if interface.inferred:
        found = probe(interface, live=context.live, allow_loopback=context.allow_loopback)
        if found.answers is False:
            problem = f"base_url: the inferred address does not answer as it should: {found.detail}"
            raise RefusedError(f"{context.provider}: {problem}", draft.interface, inference.tries)
        confirmation = confirmations(context.confirmations_dir).get(context.provider)
        if confirmation is not None and confirmation.interface_sha256 == sha256 and found.answers:
            interface = interface.model_copy(update={"confirmed": True})
        else:
            confirmation = None
    validated = Validated(
        interface=interface,
        interface_sha256=sha256,
        tries=max(1, len(inference.tries)),
        probe=found,
        confirmation=f"{confirmation.author}, {confirmation.date}" if confirmation else None,
    )
    return validated, inference.tries


def _check_key(context: Context, url: str | None) -> None:
    refusal = context.key and context.allowed.refusal(context.key, url or "", named=True)
    if refusal:
        raise OnboardingError(f"{context.provider}: {refusal}, or name it here with --key-host", "validate")


def _with_named_key(context: Context, interface: ProviderInterface) -> ProviderInterface:
    """``interface`` with the variable that the caller named, where no source names one."""
    kind, _, name = (context.key or "").partition(":")
    if kind != "env" or interface.key_env or interface.inferred:
        return interface
    named = Evidence(field="key_env", standing="stated", source="override", locator="--key", rule="as given")
    return interface.model_copy(update={"key_env": (name,), "evidence": (*interface.evidence, named)})


def generate_client(context: Context, inputs: Inputs) -> Generated:
    """The client's text."""
    del context
    client = generate(_of(inputs, "validate", Validated).interface)
    return Generated(
        file=client.file,
        text=client.text,
        sha256=client.sha256,
        interface_sha256=client.interface_sha256,
        lines=client.lines,
    )


def compile_client(context: Context, inputs: Inputs) -> Compiled:
    """Compile, import in a process of its own, type-check. Raises ``OnboardingError``."""
    del context
    client, interface = _client(inputs)
    (found,) = check_clients([(client, interface)], contract=False)
    if not found.passed:
        raise OnboardingError(f"{client.file}: {'; '.join(found.findings)}", "compile")
    return Compiled(sha256=client.sha256, imports=found.imports, types=found.types)


def contract_test(context: Context, inputs: Inputs) -> ContractTested:
    """Hold the client to the contract, against a local server. Raises ``OnboardingError``."""
    del context
    client, interface = _client(inputs)
    (found,) = check_clients([(client, interface)], types=False)
    if not found.passed:
        raise OnboardingError(f"{client.file}: {'; '.join(found.findings)}", "contract_test")
    return ContractTested(sha256=client.sha256, claims=tuple(claim.name for claim in found.claims))


def reload_router(context: Context, inputs: Inputs) -> Reloaded:
    """Have routers that watch the overlays serve the provider, and the model if one was named.

    Raises ``OnboardingError`` for a key reference that an unconfirmed interface would get.
    """
    validated = _of(inputs, "validate", Validated)
    interface = validated.interface
    if not interface.callable:
        if context.key:
            raise OnboardingError(
                f"{context.provider}: parts of its interface are inferred ({', '.join(interface.inferred)}): "
                "it gets no key before a person has confirmed it; see docs/onboarding.md",
                "reload_router",
            )
        return Reloaded(registered=False, detail="not served: inferred and not confirmed")
    published = context.settings.published_dir / "router.json"
    try:
        config = read_overlaid(published, context.router_dir)
    except SettingsError as error:
        return Reloaded(registered=False, detail=f"not served: {error}"[:300])
    if context.provider in config.providers:
        _check_key(context, config.providers[context.provider].base_url)
        added = context.key and add_key(
            context.router_dir, config, context.provider, context.key, context.allowed
        )
        targets = (target for model in config.models for target in model.targets)
        served = any((one.provider, one.model) == (context.provider, context.model) for one in targets)
        if context.model is None or served:
            detail = "served; a key reference was added" if added else "served already"
            return Reloaded(registered=True, detail=detail)
        if any(offer.id == context.model for offer in _of(inputs, "gather_models_dev", Gathered).offers):
            return Reloaded(registered=False, detail=f"not served: router.json leaves {context.model} out")
    unspoken = _why_not(interface)
    if unspoken is not None:
        return Reloaded(registered=False, detail=f"not served: {unspoken}")
    if context.model is None:
        return Reloaded(registered=False, detail="not served: name a model to serve, as PROVIDER/MODEL")
    key = context.key or next((f"env:{name}" for name in interface.key_env), None)
    register_deployment(
        context.router_dir,
        f"{context.provider}/{context.model}",
        context.identifier,
        str(interface.base_url),
        key,
        served_model=context.model,
    )
    return Reloaded(registered=True, detail=f"serves {context.identifier} from {interface.base_url}")


def _why_not(interface: ProviderInterface) -> str | None:
    """Why routers cannot call it: they show keys as bearer tokens."""
    if interface.api_type != "openai-compatible":
        return f"routers do not speak a new {interface.api_type} interface; the generated client does"
    if VARIABLE.search(interface.base_url or ""):
        return "its address depends on account variables"
    auth = interface.auth
    if auth is None or (auth.scheme, auth.name) not in (("bearer", "Authorization"), ("none", auth.name)):
        return "routers show a key as a bearer token only, it wants another way; the generated client has it"
    return None


def store(context: Context, inputs: Inputs) -> Stored:
    """Keep the provider, the client's version and the references to keys; write the active client."""
    validated = _of(inputs, "validate", Validated)
    interface = validated.interface
    client, _ = _client(inputs)
    keys = [context.key] if context.key and interface.callable else []
    with open_state(context.settings.state_file) as connection:
        if context.key and context.key_host:
            confirm(connection, context.key, context.key_host)
        put_provider(connection, interface, "usable" if interface.callable else "unconfirmed", keys)
        before = connection.execute("SELECT count(*) FROM sdk_versions").fetchone()[0]
        active = record_version(connection, client)
        after = connection.execute("SELECT count(*) FROM sdk_versions").fetchone()[0]
        write_active(connection, context.sdk_dir)
    return Stored(
        standing="usable" if interface.callable else "unconfirmed",
        sha256=active.sha256,
        file=str(context.sdk_dir / active.language / active.file),
        key_references=len(keys),
        new_version=after > before,
    )


def _client(inputs: Inputs) -> tuple[GeneratedClient, ProviderInterface]:
    made = _of(inputs, "generate", Generated)
    interface = _of(inputs, "validate", Validated).interface
    client = GeneratedClient(
        provider=interface.provider,
        language="python",
        file=made.file,
        text=made.text,
        interface_sha256=made.interface_sha256,
    )
    return client, interface


def perform(step: StepName, context: Context, inputs: Inputs) -> tuple[Record, tuple[Try, ...]]:
    """The result of one step, and what language models were asked for it."""
    if step == "validate":
        return validate(context, inputs)
    gatherers: dict[StepName, Any] = {
        "gather_models_dev": gather_models_dev,
        "gather_gpustack": gather_gpustack,
        "gather_huggingface": gather_huggingface,
        "gather_modelscope": gather_modelscope,
    }
    if step in gatherers:
        gathered: Gathered = gatherers[step](context)
        return gathered, ()
    steps: dict[StepName, Any] = {
        "synthesise": synthesise,
        "generate": generate_client,
        "compile": compile_client,
        "contract_test": contract_test,
        "reload_router": reload_router,
        "store": store,
    }
    result: Record = steps[step](context, inputs)
    return result, ()
