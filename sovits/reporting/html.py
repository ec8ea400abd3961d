"""What every page shares: one HTML file that opens from disk, with nothing from the network, in light and in dark."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote


def document(title: str, body: Iterable[str], *, style: str = "", script: str = "") -> str:
    """A whole page.

    Args:
        title: as text.
        body: its parts as HTML.
        style: CSS after that of every page.
        script: run at the end; the page must make sense without it.
    """
    head = f"<meta charset='utf-8'><meta name='viewport' content='width=device-width'><title>{escape(title)}</title>"
    styles = f"<style>{asset('page.css')}{style}</style>"
    scripts = f"<script>{script}</script>\n" if script else ""
    return f"<!doctype html>\n<html lang='en'><head>{head}{styles}</head>\n<body>\n" + "\n".join(body) + f"\n{scripts}</body></html>\n"


def asset(name: str) -> str:
    """The text of a style sheet or script beside this module."""
    return (files(__package__) / name).read_text(encoding="utf-8")


def write_if_changed(path: Path, text: str) -> None:
    """Writes ``text`` in one atomic step, making the folder, unless the file holds it already."""
    data = text.encode()
    if path.is_file() and path.read_bytes() == data:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.stem}.{os.getpid()}.partial")
    partial.write_bytes(data)
    partial.replace(path)


def address(path: str) -> str:
    """A relative path with forward slashes as a link can hold it; ``#``, ``?``, ``%`` and quotes are parts of names here."""
    return quote(path)


def anchor(name: str) -> str:
    """An ``id`` for ``name``, to be linked to as ``#`` and the same."""
    return quote(name, safe="")


def link(target: str, text: str) -> str:
    """A link to an ``address`` or ``#anchor``."""
    return f"<a href='{target}'>{escape(text)}</a>"


def player(source: str) -> str:
    """A player of the audio at a relative path, which is not read before it is played."""
    return f"<audio controls preload='none' src='{address(source)}'></audio>"


def pairs(values: Mapping[str, Any]) -> str:
    """Names and values, one below the other."""
    return "<dl>" + "".join(f"<dt>{escape(str(key))}</dt><dd>{escape(str(value))}</dd>" for key, value in values.items()) + "</dl>"


def number(text: str, value: float | None = None) -> str:
    """A cell of a table, set to the right; ``value`` is what the column is sorted by, if not ``text``."""
    sorted_by = "" if value is None else f" data-value='{value:g}'"
    return f"<td class='number'{sorted_by}>{text}</td>"
