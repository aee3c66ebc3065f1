"""Kept answers are those of the registry that serves, and counted once, however requests overlap."""

import asyncio
from typing import Any, cast

import pytest
from starlette.types import Message, Receive, Scope, Send

from modelscan_catalog.api import hot
from modelscan_catalog.api.hot import HotReads
from modelscan_catalog.api.snapshot import Snapshot


class Stage:
    """An application that answers when it is told to, over a registry that can change meanwhile."""

    def __init__(self) -> None:
        self.snapshot = cast("Snapshot", object())
        self.asked = 0
        self.go = asyncio.Event()
        self.reads = HotReads(self.app, lambda: self.snapshot)

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        del scope, receive
        self.asked += 1
        body = str(id(self.snapshot)).encode()
        await self.go.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    async def get(self, path: str = "/models") -> bytes:
        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)

        async def receive() -> Any:
            raise AssertionError("a read has no body")

        scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": []}
        await self.reads(scope, receive, send)
        return b"".join(message.get("body", b"") for message in sent)


def test_an_answer_that_was_begun_before_a_publish_is_not_kept_for_the_next_registry() -> None:
    async def main() -> None:
        stage = Stage()
        slow = asyncio.create_task(stage.get())
        while stage.asked < 1:
            await asyncio.sleep(0)
        stage.snapshot = cast("Snapshot", object())
        other = asyncio.create_task(stage.get("/changes"))
        while stage.asked < 2:
            await asyncio.sleep(0)
        stage.go.set()
        former = await slow
        await other
        assert await stage.get() == str(id(stage.snapshot)).encode() != former

    asyncio.run(main())


def test_one_answer_that_several_ask_for_at_once_takes_its_room_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hot, "_MOST_KEPT_BYTES", 100)

    async def main() -> None:
        stage = Stage()
        askers = [asyncio.create_task(stage.get()) for _ in range(50)]
        while stage.asked < 50:
            await asyncio.sleep(0)
        stage.go.set()
        assert set(await asyncio.gather(*askers)) == {str(id(stage.snapshot)).encode()}
        await stage.get()
        assert stage.asked == 50, "it was kept"

    asyncio.run(main())
