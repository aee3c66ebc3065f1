"""What operators changed in a running router: one JSON line each, appended and never rewritten."""

import json
import logging
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

LOGGER = logging.getLogger("modelscan.router")

AUDIT_FILE = "audit.jsonl"


class AuditLog:
    """Appends to ``audit.jsonl``; without a file the process's log has to do."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def write(self, actor: str, action: str, outcome: str, **detail: Any) -> None:
        """Append one action. ``detail`` must hold no secret; hashes of configurations are welcome.

        The line is on the disk when this returns. A disk that refuses is told in the log: what has been
        done cannot be undone by that.
        """
        line = {"at": datetime.now(UTC).isoformat(timespec="milliseconds"), "actor": actor}
        line |= {"action": action, "outcome": outcome, **detail}
        LOGGER.info("%s by %s: %s %s", action, actor, outcome, detail)
        if self._path is None:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(descriptor, (json.dumps(line, sort_keys=True) + "\n").encode())
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            LOGGER.error("%s: cannot be appended to: %s", self._path, error.strerror)
