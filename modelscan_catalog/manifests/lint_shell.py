"""Engines that shell text starts, however the line is wrapped: their words as the shell would pass them.

Variables stay as they are written; what is put together at run time (loops, here documents) is not read.
"""

import re
import shlex
from collections.abc import Iterator, Sequence

SERVERS = {"sglang.launch_server": "sglang", "vllm.entrypoints.openai.api_server": "vllm"}
"""Python modules that are an engine's server, each with its engine."""
_SHELLS = ("sh", "bash", "dash", "zsh", "ash")
_OPERATOR = re.compile(r"^[();<>|&]+$")
_ASSIGNMENT = re.compile(r"^\s*(?:export\s+|env\s+)?([A-Za-z_]\w*)=(\S*)")


def logical_lines(text: str) -> list[tuple[int, str]]:
    """Lines with those that a backslash continues, without comments, each with the number of its first."""
    found: list[tuple[int, str]] = []
    begun, gathered = 1, ""
    for number, line in enumerate(text.splitlines(), 1):
        begun = begun if gathered else number
        if line.endswith("\\") and not line.lstrip().startswith("#"):
            gathered += line[:-1] + " "
            continue
        whole, gathered = gathered + line, ""
        if whole.strip() and not whole.lstrip().startswith("#"):
            found.append((begun, whole))
    return [*found, (begun, gathered)] if gathered.strip() else found


def engine_commands(text: str) -> list[list[str]]:
    """Words of every command in ``text`` that starts an engine, from the engine's own word on.

    Raises ``ValueError`` for a quotation that is not closed.
    """
    return [words for _, line in logical_lines(text) for words in _commands(line)]


def script_of(words: Sequence[str]) -> str | None:
    """What a shell runs by its ``-c``; None for words that start no shell with one."""
    if not words or words[0].rpartition("/")[2] not in _SHELLS:
        return None
    for number, word in enumerate(words[1:], 1):
        if word.startswith("-") and not word.startswith("--") and word.endswith("c"):
            return "".join(words[number + 1 : number + 2])
        if not word.startswith("-"):
            break
    return None


def starts_at(words: Sequence[str]) -> int | None:
    """Where in ``words`` an engine is started; None where none is."""
    for number, word in enumerate(words):
        serves = words[number + 1 : number + 2] == ["serve"]
        if word in SERVERS or (serves and word.rpartition("/")[2] == "vllm"):
            return number
    return None


def assignments(text: str) -> Iterator[tuple[int, str, str]]:
    """Line, name and value of variables that are set at the beginning of a line."""
    for number, line in logical_lines(text):
        if found := _ASSIGNMENT.match(line):
            yield number, found[1], found[2].strip("'\"")


def _commands(line: str) -> Iterator[list[str]]:
    reader = shlex.shlex(line, posix=True, punctuation_chars=True)
    reader.whitespace_split = True
    reader.commenters = "#"
    command: list[str] = []
    for word in [*reader, ";"]:
        if not _OPERATOR.match(word):
            command.append(word)
            continue
        if (script := script_of(command)) is not None:
            yield from engine_commands(script)
        elif (begin := starts_at(command)) is not None:
            yield command[begin:]
        command = []
