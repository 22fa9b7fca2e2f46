"""What the cells ask, and what came back, in no SDK's own form.

A client module turns an Ask into a call of its SDK and the SDK's answer into a
Got. The cells look at Got only, so that each expectation is written once.
"""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Tool:
    name: str
    description: str
    schema: dict


@dataclass(frozen=True)
class User:
    """A turn of the user, with a picture or without."""

    text: str
    image: bytes | None = None


@dataclass(frozen=True)
class Call:
    """A call of a tool by the model."""

    id: str
    name: str
    arguments: Any


@dataclass
class Got:
    """An answer; it is a turn of the next conversation too."""

    text: str = ""
    calls: list[Call] = field(default_factory=list)
    thinking: str = ""
    signature: str = ""
    finish: str = ""
    input_tokens: int | None = None
    output_tokens: int | None = None
    # How many events a streamed answer had; 0 if it was whole.
    events: int = 0
    # The answer as the SDK wants it back in the next turn.
    native: Any = None


@dataclass(frozen=True)
class Results:
    """What the tools of the turn before said."""

    of: list[tuple[Call, str]]


@dataclass(frozen=True)
class Ask:
    model: str
    turns: list[User | Got | Results]
    system: str = ""
    tools: tuple[Tool, ...] = ()
    schema: dict | None = None
    thinking: bool = False
    max_tokens: int = 4096


@dataclass(frozen=True)
class Fault:
    """An SDK's error: its class by name, and the status that it knows."""

    kind: str
    status: int
    text: str
