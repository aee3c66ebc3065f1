"""The router: OpenAI-compatible requests in, the configured providers out, and questions about both."""

import asyncio
import hashlib
import json
import logging
import math
import os
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.hdrs import CONTENT_LENGTH
from aiohttp.web_protocol import RequestPayloadError

from modelscan_catalog.errors import SettingsError
from modelscan_catalog.key_hosts import KeyHosts, reviewed_key_hosts
from modelscan_catalog.router import body, decide, report
from modelscan_catalog.router.access import ADMIN_PATHS, Access
from modelscan_catalog.router.admin import MODEL_PATH, Admin
from modelscan_catalog.router.answers import RouterError, TokenCounts
from modelscan_catalog.router.audit import AUDIT_FILE, AuditLog
from modelscan_catalog.router.config import Policy, RouterConfig
from modelscan_catalog.router.forward import Forwarder
from modelscan_catalog.router.keys import Key
from modelscan_catalog.router.limits import TokenBuckets
from modelscan_catalog.router.outgoing import Call
from modelscan_catalog.router.questions import Questions
from modelscan_catalog.router.runtime import RuntimeState
from modelscan_catalog.router.shadow import Mirror
from modelscan_catalog.router.splitting import split_decision
from modelscan_catalog.router.table import Route, RouteTable
from modelscan_catalog.router.upstream import Upstreams
from modelscan_catalog.router.usage import UsageStore
from modelscan_catalog.router.usage_schema import CANARY, PRIMARY, RESCUE, SHADOW

LOGGER = logging.getLogger("modelscan.router")

_CHAT_PATHS = {"/chat/completions", "/messages"}
_FREE_PATHS = ("/health", "/metrics", "/v1/models", *ADMIN_PATHS)
"""Not counted against the limits of clients."""
_BOOL_OR_NULL = (bool, type(None))
_MAX_UPSTREAM_CONNECTIONS = 4096
_MAX_REMEMBERED = 4096

Loader = Callable[[], RouterConfig]
Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@dataclass
class Counters:
    """What the process has done since it began, for ``/metrics``."""

    answers: dict[tuple[str, int], int] = field(default_factory=dict)
    decisions: int = 0
    decision_s: float = 0.0


class Router:
    """The served configuration, the connections to its providers, and what is known of their use."""

    def __init__(
        self,
        load: Loader,
        token: str | Sequence[str] | None = None,
        usage_path: Path | None = None,
        admin_token: str | None = None,
        config_dir: Path | None = None,
        key_hosts: Callable[[], KeyHosts] = reviewed_key_hosts,
    ) -> None:
        """Serve what ``load`` gives.

        Clients give one of the tokens, if there are any; operators ``admin_token``, or where there is none
        what clients give. ``config_dir`` takes keys that are added and the log of what operators did;
        ``key_hosts`` tells which hosts a key is confirmed for.
        """
        self._load = load
        tokens = () if token is None else (token,) if isinstance(token, str) else tuple(token)
        self._access = Access(tokens, admin_token)
        self.config_dir = config_dir
        self.key_hosts = key_hosts
        self.audit = AuditLog(config_dir / AUDIT_FILE if config_dir is not None else None)
        self.last_refusal: str | None = None
        """Why the newest configuration was not taken; null while the newest one serves."""
        self.remote_problem: str | None = None
        """Why the configuration of ``REGISTRY_URL`` is not the newest one."""
        self.state = RuntimeState()
        self.table = RouteTable(load(), self.state)
        self._buckets: TokenBuckets | None = None
        self._limit_clients()
        policy = self.table.config.policy
        self.max_body_bytes = policy.max_body_bytes
        self._client_timeout_s = policy.client_timeout_s
        self.usage = UsageStore(
            usage_path, partial(report.changed_keys, self.state), partial(report.changed_health, self.state)
        )
        report.restore_keys(self.state, self.usage.stored_keys(), policy.key_degradation_s)
        report.restore_health(self.state, self.usage.stored_health(), policy.max_cooldown_s)
        self.upstreams = Upstreams(policy.connect_timeout_s, _MAX_UPSTREAM_CONNECTIONS)
        self.forwarder = Forwarder(self.upstreams, self.state.health, self.state.clock, self._note)
        self.mirror = Mirror(self.upstreams, self.state.clock, partial(self._note, mirrored=True))
        self.in_flight = 0
        self.counters = Counters()
        self._salt = os.urandom(16)
        self._clients: dict[str, str] = {}
        self._admin = admin = Admin(self)
        questions = Questions(self)
        self._handlers: dict[tuple[str, str], Handler] = {
            ("POST", "/v1/chat/completions"): partial(self._forward, "/chat/completions", body.check_chat),
            ("POST", "/v1/messages"): partial(self._forward, "/messages", body.check_chat),
            ("POST", "/v1/completions"): partial(self._forward, "/completions", body.check_completion),
            ("POST", "/v1/embeddings"): partial(self._forward, "/embeddings", body.check_embedding),
            ("GET", "/v1/models"): admin.models,
            ("POST", "/route"): questions.route,
            ("POST", "/route/refinement"): questions.refinement,
            ("GET", "/classify"): questions.classify,
            ("POST", "/classify"): questions.classify,
            ("POST", "/refresh"): admin.refresh,
            ("GET", "/health"): admin.health,
            ("GET", "/healthz"): admin.health,
            ("GET", "/metrics"): admin.metrics,
            ("GET", "/api/stats"): admin.stats,
            ("GET", "/api/keys"): admin.keys,
            ("POST", "/api/keys/add"): admin.add_key,
            ("GET", "/api/splits"): admin.splits,
            ("GET", "/api/targets"): admin.targets,
        }
        self.paths = frozenset(path for _, path in self._handlers)
        """Everything that it answers."""

    async def reload(self) -> RouteTable:
        """Swap in the configuration as it is now; a bad one raises ``SettingsError`` and changes nothing.

        Reading and checking happen beside the event loop; requests under way keep the table they began with.
        """
        try:
            self.table = await asyncio.to_thread(lambda: RouteTable(self._load(), self.state))
        except SettingsError as error:
            self.last_refusal = str(error)
            raise
        self.last_refusal = None
        self._limit_clients()
        return self.table

    def _limit_clients(self) -> None:
        limits = self.table.config.policy.client_limits
        if limits is None:
            self._buckets = None
        elif self._buckets is None or self._buckets.limits != limits:
            self._buckets = TokenBuckets(limits, self.state.clock)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request; every failure in the OpenAI error shape, nothing of an exception in it."""
        self.in_flight += 1
        path = request.raw_path
        if path not in self.paths:
            path = request.path
        try:
            token = self._access.token_of(request, path)
            if self._buckets is not None and not path.startswith(_FREE_PATHS):
                self._bound(self._buckets, request, token)
            handler = self._handlers.get((request.method, path))
            if handler is None and request.method == "GET" and path.startswith(MODEL_PATH):
                path, handler = "/v1/models", self._admin.model
            if handler is None:
                if path in self.paths:
                    raise RouterError(405, "method_not_allowed", "Method Not Allowed")
                raise RouterError(404, "unknown_url", f"unknown request URL: {request.method} {path[:200]}")
            response = await handler(request)
        except RouterError as error:
            response = error.response("anthropic" if path == "/v1/messages" else "openai")
        except web.HTTPRequestEntityTooLarge:
            response = self._too_large()
        except ConnectionResetError:
            raise
        except Exception:
            LOGGER.exception("request failed: %s %s", request.method, request.path)
            response = _failed().response("anthropic" if path == "/v1/messages" else "openai")
        finally:
            self.in_flight -= 1
        answered = (path if path in self.paths else "other", response.status)
        self.counters.answers[answered] = self.counters.answers.get(answered, 0) + 1
        return response

    def who(self, request: web.BaseRequest) -> str:
        """Who acts, for the audit log: a token by its hash, else an address."""
        token = self._access.token_of(request, request.path)
        return f"address {request.remote}" if token is None else f"token {token}"

    def _bound(self, buckets: TokenBuckets, request: web.BaseRequest, token: str | None) -> None:
        """A client is a token where there are several, else an address."""
        client = token if token is not None and self._access.several else self.client(request)
        wait_s = buckets.take(client)
        if wait_s:
            message = f"a client may ask {buckets.limits.requests_per_minute} times a minute"
            after = {"Retry-After": str(math.ceil(wait_s))}
            raise RouterError(429, "rate_limit_exceeded", message, "rate_limit_error", after)

    async def _forward(
        self, path: str, check: Callable[[Mapping[str, Any]], None], request: web.BaseRequest
    ) -> web.StreamResponse:
        content, document = await self.document(request)
        check(document)
        started = self.state.clock()
        table = self.table
        name = document.get("model") or table.config.default_model
        if not name:
            raise RouterError(400, "invalid_request", "model is missing, and no default_model is configured")
        if not isinstance(name, str):
            raise RouterError(400, "invalid_request", "model must be a string")
        if not isinstance(document.get("stream"), _BOOL_OR_NULL):
            raise RouterError(400, "invalid_request", "stream must be true or false")
        needs = decide.needs_of(document, len(content), request.headers, chat=path in _CHAT_PATHS)
        decision = decide.decide(table, name, needs, decide.classify(document, needs.modalities))
        if table.splits:
            decision = split_decision(table, name, decision, needs)
        self.counters.decisions += 1
        self.counters.decision_s += self.state.clock() - started
        if decision.is_refinement:
            limit = min(needs.max_output_tokens, table.config.policy.refinement.max_tokens)
            document = {k: v for k, v in document.items() if k != "max_completion_tokens"} | {
                "max_tokens": limit
            }
            content = json.dumps(document).encode()
        call = Call(
            request,
            path,
            content,
            document,
            started,
            decision.query_class,
            self.client(request),
            decision.deadline_s,
            "anthropic" if path == "/messages" else "openai",
            decision.split,
            decision.canary,
        )
        policy = table.config.policy
        carry = self._refined if decision.is_refinement else self.forwarder.forward
        if decision.shadow is None:
            return await carry(call, decision.routes, policy)
        try:
            return await carry(call, decision.routes, policy)
        finally:
            # After the client has its answer, and not for one that left: the copy takes nothing from it.
            if not isinstance(sys.exc_info()[1], asyncio.CancelledError | ConnectionResetError):
                self.mirror.send(call, decision.shadow, policy)

    async def _refined(self, call: Call, routes: Sequence[Route], policy: Policy) -> web.StreamResponse:
        try:
            return await self.forwarder.forward(call, routes, policy)
        except RouterError as error:
            message = f"pass the refinement over: {error}"
            bypass = {"X-ModelScan-Refinement": "bypass"}
            raise RouterError(error.status, "refinement_bypass", message, "upstream_error", bypass) from error

    async def document(self, request: web.BaseRequest) -> tuple[bytes, dict[str, Any]]:
        """The body and the JSON object in it; a client that drips is given up."""
        length = request.headers.get(CONTENT_LENGTH)
        if length is not None and length.isdigit() and int(length) > self.max_body_bytes:
            raise web.HTTPRequestEntityTooLarge(self.max_body_bytes, int(length))
        arriving = request.content
        try:
            if arriving.is_eof():
                content = arriving.read_nowait()
                if len(content) > self.max_body_bytes:
                    raise web.HTTPRequestEntityTooLarge(self.max_body_bytes, len(content))
            else:
                async with asyncio.timeout(self._client_timeout_s):
                    content = await request.read()
        except TimeoutError:
            message = f"the request did not arrive within {self._client_timeout_s:g} s"
            raise RouterError(408, "request_timeout", message) from None
        except RequestPayloadError as error:
            request.content.feed_eof()  # nothing that could be read follows: the server must not wait for it
            message = "the body cannot be read: it breaks off, or is not encoded as its headers say"
            raise RouterError(400, "invalid_body", message, headers={"Connection": "close"}) from error
        document = body.parsed(content)
        if not isinstance(document, dict):
            raise RouterError(400, "invalid_request", "the body must be a JSON object")
        return content, document

    def _note(
        self,
        call: Call,
        route: Route,
        key: Key | None,
        outcome: str,
        first_byte_s: float | None,
        counts: TokenCounts | None,
        *,
        mirrored: bool = False,
    ) -> None:
        group = (
            route.model.id,
            route.name,
            key.state.id[:16] if key else "",
            call.query_class,
            call.client,
            outcome,
            SHADOW if mirrored else _arm(call, route) if call.split else PRIMARY,
            call.split,
        )
        cost = None if counts is None else route.cost_usd(*counts)
        self.usage.add(group, first_byte_s, self.state.clock() - call.started, counts, cost)

    def client(self, request: web.BaseRequest) -> str:
        """A salted hash of the client's address; the salt is forgotten with the process."""
        remote = request.remote or ""
        known = self._clients.get(remote)
        if known is None:
            if len(self._clients) >= _MAX_REMEMBERED:
                self._clients.clear()
            known = hashlib.blake2b(remote.encode(), key=self._salt, digest_size=8).hexdigest()
            self._clients[remote] = known
        return known

    def _too_large(self) -> web.Response:
        response = RouterError(
            413, "request_too_large", f"the body exceeds {self.max_body_bytes} bytes"
        ).response()
        response.force_close()
        return response


def _failed() -> RouterError:
    return RouterError(500, "internal_error", "the router failed; its log has more", "server_error")


def _arm(call: Call, route: Route) -> str:
    if route in call.canary:
        return CANARY
    return RESCUE if call.canary or route.model.id != call.split else PRIMARY
