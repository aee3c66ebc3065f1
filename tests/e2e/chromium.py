"""A headless Chromium over its own debugging protocol: open a page, run a script in it, hear what it says."""

import asyncio
import itertools
import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Page:
    """One tab; every call waits for its answer."""

    def __init__(self, loop: asyncio.AbstractEventLoop, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._loop, self._socket, self._ids = loop, socket, itertools.count(1)
        self.requests: list[str] = []
        self.complaints: list[str] = []
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The result of a protocol method; raises when Chromium refuses it."""
        return self._loop.run_until_complete(asyncio.wait_for(self._call(method, parameters), 20))

    async def _call(self, method: str, parameters: dict[str, Any]) -> dict[str, Any]:
        number = next(self._ids)
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        while True:
            message = json.loads(await self._socket.receive_str())
            if message.get("id") == number:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                return dict(message["result"])
            self._heard(message)

    def _heard(self, event: dict[str, Any]) -> None:
        details = event["params"]
        if event["method"] == "Network.requestWillBeSent":
            self.requests.append(details["request"]["url"])
        elif event["method"] == "Log.entryAdded" and details["entry"]["level"] in ("error", "warning"):
            self.complaints.append(f"{details['entry']['text']} {details['entry'].get('url', '')}")
        elif event["method"] == "Runtime.exceptionThrown":
            self.complaints.append(str(details["exceptionDetails"]))

    def run(self, script: str) -> Any:
        """The value of an expression in the page; promises are awaited."""
        done = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in done:
            raise RuntimeError(f"{script[:80]}: {done['exceptionDetails']}")
        return done["result"].get("value")

    def open(self, address: str) -> None:
        """Load ``address`` and wait until its own script says that it is usable."""
        self.call("Page.navigate", url=address)
        self.until("document.readyState === 'complete' && !document.querySelector('[aria-busy=true]')")

    def until(self, condition: str) -> None:
        """Wait at most ten seconds for ``condition`` to hold in the page."""
        self.run(
            "new Promise((done, fail) => { const end = Date.now() + 10000; (function look() {"
            f" if ({condition}) done(true); else if (Date.now() > end) fail(new Error('waited in vain'));"
            " else setTimeout(look, 15); })(); })"
        )

    def press(self, key: str, code: int) -> None:
        """One key, as a person would."""
        for kind in ("rawKeyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code)

    def size(self, width: int, height: int = 844) -> None:
        """The window's size in CSS pixels."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def theme(self, scheme: str) -> None:
        """What the system is said to prefer: light or dark."""
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.call("Emulation.setEmulatedMedia", features=[feature])


@contextmanager
def chromium(profile: Path) -> Iterator[Page]:
    """A fresh Chromium with one tab, ended with the block."""
    assert CHROMIUM
    command = [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0"]
    with subprocess.Popen(
        [*command, "--disable-background-networking", f"--user-data-dir={profile}", "about:blank"],
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        loop = asyncio.new_event_loop()
        try:
            assert process.stderr
            listening = next(line for line in process.stderr if "DevTools listening on " in line)
            address = listening.split("DevTools listening on ws://")[1].split("/")[0]
            session, socket = loop.run_until_complete(_connected(f"http://{address}"))
            try:
                yield Page(loop, socket)
            finally:
                loop.run_until_complete(session.close())
        finally:
            process.terminate()
            process.wait(20)
            loop.close()


async def _connected(base: str) -> tuple[aiohttp.ClientSession, aiohttp.ClientWebSocketResponse]:
    session = aiohttp.ClientSession()
    try:
        async with session.get(f"{base}/json/list") as answer:
            tab = next(one for one in await answer.json() if one["type"] == "page")
        return session, await session.ws_connect(tab["webSocketDebuggerUrl"], max_msg_size=2**26)
    except BaseException:
        await session.close()
        raise
