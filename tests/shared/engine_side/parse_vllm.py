"""Runs inside vLLM's environment: parses command lines from standard input as `vllm serve` does.

Reads a JSON list of argument lists; writes the engine's version and why each list is refused, or null.
"""

import importlib
import json
import os
import sys
from typing import Any, NoReturn

_ARGUMENTS = ("vllm.entrypoints.launchers.cli_args", "vllm.entrypoints.openai.cli_args")
"""Where the parser lives, newest first."""


class RefusedError(Exception):
    """What argparse would print before it exits."""


def _module(names: tuple[str, ...]) -> Any:
    for name in names:
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError:
            continue
    raise SystemExit(f"none of {', '.join(names)} is in this vLLM")


def main() -> None:
    """Imports are paid once for all command lines."""
    commands = json.load(sys.stdin)
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what vLLM logs while it is imported goes to standard error
    import vllm
    from vllm.model_executor.layers.quantization import QUANTIZATION_METHODS
    from vllm.reasoning import ReasoningParserManager
    from vllm.tool_parsers import ToolParserManager
    from vllm.utils.argparse_utils import FlexibleArgumentParser

    arguments = _module(_ARGUMENTS)

    class Parser(FlexibleArgumentParser):  # type: ignore[misc]
        def error(self, message: str) -> NoReturn:
            raise RefusedError(message)

    parser = arguments.make_arg_parser(Parser(prog="vllm serve"))
    named = {
        "tool_call_parser": set(ToolParserManager.list_registered()),
        "reasoning_parser": set(ReasoningParserManager.list_registered()),
        "quantization": set(QUANTIZATION_METHODS),
    }

    def refusal(words: list[str]) -> str | None:
        try:
            read = parser.parse_args(words)
            arguments.validate_parsed_serve_args(read)
        except (RefusedError, ValueError, TypeError, KeyError) as error:
            return f"{type(error).__name__}: {error}"
        for field, known in named.items():
            value = getattr(read, field, None)
            if value and value not in known:
                return f"{field}: {value!r} is not registered"
        return None

    json.dump({"version": vllm.__version__, "refused": [refusal(words) for words in commands]}, answer)
    answer.close()


if __name__ == "__main__":
    main()
