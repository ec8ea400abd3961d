"""A run that repeats another says how it differs: from what it is made before the first step, in what came out at the end."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from yaml import YAMLError

from sovits.errors import SovitsError
from sovits.runs.differences import Difference, Weights, distance, figures, final_figures, made_from, settings, weights
from sovits.runs.record import FINISHED, RunRecord
from sovits.runs.reproduction import Override

log = logging.getLogger(__name__)

FILE_NAME = "reproduction.json"
MOST_TOLD = 20
LAST = Path("checkpoints") / "last.ckpt"


@dataclass(frozen=True)
class Outcome:
    """How two finished runs compare."""

    figures_compared: int
    figures: list[Difference]
    """Those that differ."""
    weights: Weights | None
    """None where one of the runs has no last checkpoint."""

    @property
    def equal(self) -> bool:
        """Bit for bit, figures and weights."""
        return not self.figures and self.weights is not None and self.weights.equal


class Reproduction:
    """The repetition of a run.

    Args:
        original: its folder.
        here: the folder of this one.
        config: of this one, as composed.
        anyway: go on although the data are others.

    Raises:
        SovitsError: ``original`` is no run, or ``here`` is the same folder.
    """

    def __init__(self, original: Path, here: Path, config: dict[str, Any], anyway: bool) -> None:
        self.original, self.here, self.anyway = original, here, anyway
        self.record = RunRecord.load(original)
        self.before: list[Difference] = self._settings(config)
        if original.resolve() == here.resolve():
            raise SovitsError(f"The run would write into {original}, which it reproduces; give it a folder of its own.")

    @classmethod
    def of(cls, config: DictConfig) -> Reproduction | None:
        """The one that ``config`` of `sovits train` asks for; None where it repeats nothing."""
        if config.reproduces is None:
            return None
        # Now, because building objects resolves parts of a configuration where it stands.
        return cls(Path(config.reproduces), Path(config.paths.run), _plain(config), config.reproduce_anyway)

    def begin(self, here: RunRecord) -> None:
        """Says, before the first step, what is not as it was.

        Args:
            here: the record of this run, with its data.

        Raises:
            SovitsError: the data are others, and nobody said ``reproduce_anyway=true``.
        """
        self.before = made_from(self.record, here) + self.before
        if not self.before:
            log.info("Reproducing %s: the same commit, versions, hardware, data and settings.", self.original)
        else:
            log.info("Reproducing %s; not as it was:", self.original)
            _list(self.before)
        began = [override for override in map(Override.of, self.record.overrides) if override.key == "resume"]
        if began and began[-1].value not in ("true", "null"):
            log.warning("The original went on from a checkpoint (%s); this run begins anew, so it will not come to the same.", began[-1])
        if self.record.status != FINISHED:
            log.warning("%s: there will be nothing to compare this run with.", self._unfinished())
        other = [difference for difference in self.before if difference.what.startswith("data ")]
        if other and not self.anyway:
            raise SovitsError(
                f"data.root={here.data['root']} holds other data than {self.original} was trained on ({other[-1]}), so this is another "
                "experiment; point data.root at the same set, or compare them all the same with reproduce_anyway=true."
            )

    def conclude(self) -> Outcome | None:
        """Compares the final figures and weights, says so and writes ``reproduction.json``; None where there is nothing to compare with."""
        if self.record.status != FINISHED:
            log.info("Not compared with %s: %s.", self.original, self._unfinished())
            self._write(None)
            return None
        there, own = final_figures(self.original), final_figures(self.here)
        both = all((run / LAST).is_file() for run in (self.original, self.here))
        outcome = Outcome(
            len(there.keys() | own.keys()),
            figures(there, own),
            weights(self.original / LAST, self.here / LAST) if both else None,
        )
        self._write(outcome)
        _tell(self.original, outcome)
        return outcome

    def _settings(self, config: dict[str, Any]) -> list[Difference]:
        kept = self.original / ".hydra" / "config.yaml"
        if not kept.is_file():
            return []
        try:
            return settings(_plain(OmegaConf.load(kept)), config)
        except (YAMLError, ValueError) as error:
            raise SovitsError(f"{kept} is damaged ({' '.join(str(error).split())}); delete it to reproduce the run without it.") from error

    def _unfinished(self) -> str:
        why = f" ({self.record.reason})" if self.record.reason else ""
        return f"The original never finished: it says {self.record.status!r}{why} after {self.record.generator_step} steps"

    def _write(self, outcome: Outcome | None) -> None:
        content = {
            "original": str(self.original),
            "original_status": self.record.status,
            "equal_bit_for_bit": None if outcome is None else outcome.equal,
            "before": [asdict(difference) for difference in self.before],
            "outcome": None if outcome is None else asdict(outcome),
        }
        text = json.dumps(content, indent=2, ensure_ascii=False, default=str) + "\n"
        partial = self.here / f"{FILE_NAME}.partial"
        partial.write_text(text, encoding="utf-8")
        partial.replace(self.here / FILE_NAME)


def _plain(config: Any) -> dict[str, Any]:
    return OmegaConf.to_container(config, resolve=False)  # type: ignore[return-value]


def _list(differences: Sequence[Difference], numbers: bool = False) -> None:
    for difference in differences[:MOST_TOLD]:
        apart = distance(difference) if numbers else None
        log.info("  %s%s", difference, "" if apart is None else f" ({apart:.3g} apart)")
    if len(differences) > MOST_TOLD:
        log.info("  and %d more, all in %s", len(differences) - MOST_TOLD, FILE_NAME)


def _tell(original: Path, outcome: Outcome) -> None:
    if outcome.equal:
        log.info(
            "Reproduced %s: %d figures and %d weights are equal bit for bit.",
            original,
            outcome.figures_compared,
            outcome.weights.compared if outcome.weights else 0,
        )
        return
    log.info("Compared with %s: %d of %d final figures differ.", original, len(outcome.figures), outcome.figures_compared)
    # The furthest first; one that is missing here or there before them all.
    ranked = sorted(outcome.figures, key=lambda difference: -(distance(difference) or 0.0))
    _list(sorted(ranked, key=lambda difference: distance(difference) is not None), numbers=True)
    told = outcome.weights
    if told is None:
        log.info("The weights are not compared: one of the runs has no %s.", LAST)
    elif told.equal:
        log.info("All %d weights are equal bit for bit.", told.compared)
    elif told.different:
        log.info("%d of %d weights differ, by %.3g at most, in %s.", told.different, told.compared, told.largest, told.where)
    if told is not None and told.only_in_one:
        log.info("%d weights are only in one of the two, such as %s.", len(told.only_in_one), told.only_in_one[0])
