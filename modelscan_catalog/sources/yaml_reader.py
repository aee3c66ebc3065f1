"""YAML from outside: plain data only, with aliases and merges bounded before they are expanded."""

from typing import Any

import yaml

from modelscan_catalog.errors import DocumentError

LARGEST_YAML_BYTES = 8 * 1024 * 1024
MOST_NODES = 500_000
"""Of the document with every alias written out; GPUStack's catalogues have about 5,000."""


def load_yaml(body: bytes, name: str) -> Any:
    """The value of a YAML document, as ``yaml.safe_load`` gives it.

    The Python loader is used on purpose: the C one crashes the process on deep nesting. Raises
    ``DocumentError`` for anything that is not YAML, is too large, or grows beyond bounds through aliases.
    """
    if len(body) > LARGEST_YAML_BYTES:
        raise DocumentError(f"{name}: {len(body)} bytes of YAML; at most {LARGEST_YAML_BYTES} are read")
    try:
        loader = yaml.SafeLoader(body)
        try:
            node = loader.get_single_node()
            if node is None:
                raise DocumentError(f"{name}: the YAML document is empty")
            nodes = _expanded_size(node, {}, name)
            if nodes > MOST_NODES:
                raise DocumentError(f"{name}: aliases expand to {nodes} nodes; at most {MOST_NODES} are read")
            return loader.construct_document(node)
        finally:
            loader.dispose()
    except (yaml.YAMLError, ValueError, TypeError, RecursionError, OverflowError) as error:
        shown = " ".join(str(error).split())[:160]
        raise DocumentError(f"{name}: not usable YAML: {shown or type(error).__name__}") from error


def _expanded_size(node: yaml.Node, known: dict[int, int], name: str) -> int:
    """Nodes of ``node`` with every alias written out; each shared node is counted once and remembered."""
    size = known.get(id(node))
    if size is not None:
        if size == 0:
            raise DocumentError(f"{name}: an alias refers to a node that contains it")
        return size
    known[id(node)] = 0
    size = 1
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            size += _expanded_size(key, known, name) + _expanded_size(value, known, name)
    elif isinstance(node, yaml.SequenceNode):
        size += sum(_expanded_size(item, known, name) for item in node.value)
    known[id(node)] = size
    return size
