"""Voices as points and as a table of likenesses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from sovits.metrics import Confusion
from sovits.reporting.fonts import drawable, fonts
from sovits.reporting.pictures import DPI

MARKERS = "o^sDvP*X"
"""One for each kind of sound, in the order they come."""


@dataclass(frozen=True)
class VoicePoint:
    """One clip as an encoder hears it."""

    speaker: str
    kind: str
    """Such as ``recording`` or ``synthesis``."""
    embedding: np.ndarray
    """Unit vector [E]."""


def principal_plane(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The plane in which ``vectors`` [N, E] vary most (principal component analysis).

    Returns:
        Coordinates [N, 2] around their mean, and the share of the variance [2] that each axis holds; zeros where nothing varies.
    """
    centred = vectors - vectors.mean(0)
    left, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    coordinates = np.zeros((len(vectors), 2))
    count = min(2, len(sizes))
    coordinates[:, :count] = left[:, :count] * sizes[:count]
    variance = float((sizes**2).sum())
    shares = np.zeros(2)
    if variance > 0:
        shares[:count] = sizes[:count] ** 2 / variance
    return coordinates, shares


def voice_space_figure(points: Sequence[VoicePoint], title: str = "") -> Figure:
    """Clips in the plane in which their voices differ most: a colour for each speaker, a marker for each kind of sound."""
    speakers, kinds = (list(dict.fromkeys(getattr(point, name) for point in points)) for name in ("speaker", "kind"))
    coordinates, shares = principal_plane(np.stack([point.embedding for point in points]))
    colours = matplotlib.colormaps["tab20" if len(speakers) > 10 else "tab10"]
    with fonts():
        figure = Figure(figsize=(7.5, 5.5), dpi=DPI, layout="constrained")
        axis = figure.subplots()
        for speaker in speakers:
            for kind in kinds:
                chosen = [row for row, point in enumerate(points) if (point.speaker, point.kind) == (speaker, kind)]
                if chosen:
                    axis.scatter(
                        coordinates[chosen, 0],
                        coordinates[chosen, 1],
                        marker=MARKERS[kinds.index(kind) % len(MARKERS)],
                        color=colours(speakers.index(speaker) % colours.N),
                        alpha=0.8,
                        linewidths=0,
                        label=drawable(f"{speaker}, {kind}"),
                    )
        axis.set_xlabel(f"First principal axis ({shares[0]:.0%} of the variance)")
        axis.set_ylabel(f"Second principal axis ({shares[1]:.0%})")
        axis.set_aspect("equal", adjustable="datalim")
        figure.legend(loc="outside right upper", frameon=False, fontsize=8)
        if title:
            figure.suptitle(drawable(title), fontsize=11)
    return figure


def table_figure(
    values: np.ndarray,
    rows: Sequence[str],
    columns: Sequence[str],
    title: str = "",
    digits: int = 2,
    limits: tuple[float, float] | None = None,
) -> Figure:
    """A table [rows, columns] in colours, with its numbers: mean cosines between voices, or who was taken for whom.

    ``limits`` are the values of the palest and the darkest colour, the smallest and largest of the table where not given.
    """
    low, high = limits or (np.nanmin(values), np.nanmax(values))
    with fonts():
        figure = Figure(figsize=(1.6 + 0.75 * len(columns), 1.2 + 0.5 * len(rows)), dpi=DPI, layout="constrained")
        axis = figure.subplots()
        axis.imshow(values, cmap="Blues", aspect="auto", vmin=low, vmax=high)
        for row, column in np.ndindex(values.shape):
            colour = "white" if values[row, column] > (low + high) / 2 else "black"
            axis.text(column, row, f"{values[row, column]:.{digits}f}", ha="center", va="center", color=colour, fontsize=8)
        axis.set_xticks(range(len(columns)), [drawable(name) for name in columns], rotation=40, ha="right")
        axis.set_yticks(range(len(rows)), [drawable(name) for name in rows])
        axis.tick_params(length=0)
        if title:
            axis.set_title(drawable(title), fontsize=10)
    return figure


def mean_cosines(points: Sequence[VoicePoint], others: Sequence[VoicePoint], speakers: Sequence[str]) -> np.ndarray:
    """[n, n] mean cosine of each speaker's ``points`` (rows) with each speaker's ``others`` (columns), a clip never with itself."""
    table = np.full((len(speakers), len(speakers)), np.nan)
    for row, one in enumerate(speakers):
        for column, other in enumerate(speakers):
            pairs = [(a, b) for a in points for b in others if a.speaker == one and b.speaker == other and a is not b]
            if pairs:
                table[row, column] = np.mean([a.embedding @ b.embedding for a, b in pairs])
    return table


def confusion_figure(confusion: Confusion) -> Figure:
    """For how many syntheses of each speaker (rows) the voice was taken for whose (columns)."""
    return table_figure(confusion.synthesis, confusion.speakers, confusion.speakers, "Syntheses (rows) and whose voice they have", digits=0)
