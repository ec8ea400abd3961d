"""What a user types behind a verb, made ready for Hydra: texts and file names as they stand, whatever signs are in them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.errors import HydraException

FREE_TEXT = {"synthesize": {"text": "sentence"}}
"""Keys of a verb whose value is never grammar, and what the config calls them (``text`` there is a group: the front ends)."""

_ASSIGNMENT = re.compile(r"(?P<key>(?:\+\+|\+)?[^\s=~]+)=(?P<value>.*)", re.DOTALL)


def quote_overrides(arguments: Sequence[str], verb: str) -> list[str]:
    """Quotes values that Hydra's grammar would trip over.

    A shell takes the quotes off ``text="Hello, world: it's 5 o'clock"``, and Hydra then reads a list of choices and an open quote; it
    knows neither Chinese nor ``#`` outside quotes, nor a second ``=`` as in ``checkpoint=epoch=3.ckpt``. So a free text is always quoted,
    and any other value where Hydra cannot read it as it stands (in a plain list, each name by itself). Flags and everything that Hydra
    can read pass unchanged, and so do values in quotes of their own.

    Args:
        arguments: of the command line, behind the verb.
        verb: decides which keys are free texts.
    """
    return [_quoted(argument, FREE_TEXT.get(verb, {})) for argument in arguments]


def as_choices(names: Sequence[str]) -> str:
    """``names`` as the choices of one key in a multirun: ``a,b,'c, the third'``, each in quotes where Hydra would read something else."""
    return ",".join(name if _reads_as_itself(name) else _as_string(name) for name in names)


def _quoted(argument: str, free_text: dict[str, str]) -> str:
    assignment = _ASSIGNMENT.fullmatch(argument)
    if argument.startswith("-") or assignment is None:
        return argument
    key, value = assignment["key"], assignment["value"]
    name = key.lstrip("+")
    if name in free_text:
        return f"{free_text[name]}={value if _is_quoted(value) else _as_string(value)}"
    if _readable(argument):
        return argument
    if re.fullmatch(r"\[[^\[\]{}()'\"]*\]", value):
        names = [part.strip() for part in value[1:-1].split(",")]
        return f"{key}=[{','.join(part if _readable(f'x={part}') else _as_string(part) for part in names)}]"
    quoted = f"{key}={_as_string(value)}"
    return quoted if _readable(quoted) else argument


def _readable(override: str) -> bool:
    try:
        OverridesParser.create().parse_override(override)
    except HydraException:
        return False
    return True


def _reads_as_itself(name: str) -> bool:
    if not _readable(f"x={name}"):
        return False
    override = OverridesParser.create().parse_override(f"x={name}")
    # Numbers become numbers again only if they are written as Python writes them; names of digits are common.
    return not override.is_sweep_override() and isinstance(override.value(), str | int) and str(override.value()) == name


def _is_quoted(value: str) -> bool:
    return len(value) > 1 and value[0] in "'\"" and value[-1] == value[0] and _readable(f"x={value}")


def _as_string(value: str) -> str:
    """``value`` in quotes, so that neither Hydra nor OmegaConf's interpolation finds anything to read in it."""
    literal = re.sub(r"(\\*)\$\{", lambda found: found[1] * 2 + r"\${", value)
    return QuotedString(literal, Quote.single).with_quotes()
