"""Secrets by reference: ``env:NAME`` or ``file:PATH``; a literal secret is refused with the fix."""

import os
import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator

from modelscan_catalog.errors import SettingsError

_REFERENCE = re.compile(r"^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+)$")


def check_reference(reference: str) -> str:
    """``reference`` itself when it is one; ``ValueError`` without repeating its text otherwise."""
    if not _REFERENCE.match(reference):
        raise ValueError(
            "a secret is given by reference: put the value in an environment variable or a file and "
            "write env:NAME or file:PATH here"
        )
    return reference


SecretRef = Annotated[str, AfterValidator(check_reference)]


def resolve_secret(reference: str) -> str:
    """The secret that ``reference`` points to, without surrounding white space.

    Raises ``SettingsError`` when the variable or file is missing or empty.
    """
    kind, _, name = check_reference(reference).partition(":")
    if kind == "env":
        value = os.environ.get(name, "").strip()
    else:
        try:
            value = Path(name).expanduser().read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"{reference}: the file cannot be read: {error}") from error
    if not value:
        raise SettingsError(f"{reference}: it is empty or not set")
    return value
