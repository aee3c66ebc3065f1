"""Documents as text: deterministic YAML and JSON."""

import json
from collections.abc import Sequence
from typing import Any

import yaml

_SafeDumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class _Dumper(_SafeDumper):  # type: ignore[misc]
    """Writes repeated parts out: anchors are legal YAML that many readers of manifests trip over."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def yaml_text(*documents: Any) -> str:
    """``documents`` as YAML in their own order, without anchors; equal documents give equal text."""
    return str(
        yaml.dump_all(
            documents,
            Dumper=_Dumper,
            sort_keys=False,
            allow_unicode=True,
            width=110,
            default_flow_style=False,
        )
    )


def text_of(file_name: str, documents: Sequence[Any]) -> str:
    """``documents`` in the form that ``file_name`` ends in; JSON and shell files hold one."""
    if file_name.endswith(".yaml"):
        return yaml_text(*documents)
    [document] = documents
    if file_name.endswith(".json"):
        return json.dumps(document, ensure_ascii=False, indent=1) + "\n"
    return f"{document}\n"
