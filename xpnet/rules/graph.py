"""What a rule computes, written down: operations, each with the numbers of those whose results it reads."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Node:
    """One operation: its name, the numbers of the nodes it reads, and what it yields.

    `operation` is "array" or "scalar" for an argument of the rule (`value` is its position or name),
    "constant" for a number in its text (`value`), else the array API name of a function.
    """

    operation: str
    arguments: tuple[int, ...] = ()
    value: Any = None
    boolean: bool = False
    uniform: bool = False  # the same for every element: no array goes into it
    per_sample: bool = False  # the same for every unit of a sample: a sum or maximum, or made of such


@dataclass
class Graph:
    """The nodes of a traced rule, in an order in which they can be computed, and its outputs."""

    name: str
    arrays: tuple[str, ...]
    scalars: tuple[str, ...]
    nodes: list[Node] = field(default_factory=list[Node])
    outputs: tuple[int, ...] = ()
    samplewise: bool = False
    _numbers: dict[tuple[Node, str], int] = field(default_factory=dict[tuple[Node, str], int])

    @property
    def identifier(self) -> str:
        """The name as one of C: where letters had to go, a checksum keeps it apart from others."""
        plain = re.sub(r"\W", "_", self.name, flags=re.ASCII)
        if plain == self.name:
            return f"xpnet_{plain}"
        return f"xpnet_{plain}_{zlib.crc32(self.name.encode('utf-8', 'surrogatepass')):08x}"

    def add(self, node: Node) -> int:
        """The number of `node`, which is written down unless an equal one is there."""
        key = (node, repr(node.value))  # 0.0 and -0.0 are equal, and two numbers
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self.nodes)
            self.nodes.append(node)
        return number
