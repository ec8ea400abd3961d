"""``sovits <verb> [hydra overrides]``: one console script, each verb one small Hydra application."""

from __future__ import annotations

import importlib
import logging
import os
import sys
import warnings
from collections.abc import Callable
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hydra
from hydra.errors import CompactHydraException, InstantiationException, MissingConfigException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException

from sovits import __version__
from sovits.errors import SovitsError, mistake_behind
from sovits.launching.multirun import in_multirun
from sovits.launching.speakers import register_speakers_of
from sovits.overrides import quote_overrides

if TYPE_CHECKING:
    from sovits.launching.sweep_folder import Summary

VERBS = {
    "prepare": "recordings -> an aligned, checked set of utterances       sovits prepare recordings=DIR",
    "train": "a prepared set -> a checkpoint                            sovits train experiment=few_shot data.root=DIR",
    "evaluate": "a checkpoint -> figures, pictures and a listening page    sovits evaluate checkpoint=FILE",
    "synthesize": "a checkpoint, a voice and a text -> speech                sovits synthesize checkpoint=FILE speaker=NAME text=TEXT",
    "serve": "a checkpoint -> a service that speaks                     sovits serve checkpoint=FILE bank=DIR",
    "export": "a checkpoint -> folders that speak without it, or PyTorch  sovits export checkpoint=FILE output=DIR",
    "report": "finished runs -> one page to compare and hear them        sovits report runs=DIR",
}


def config_directory() -> Path:
    """The folder of configurations: inside the installed package, or at the top of a checkout."""
    package = Path(__file__).parent
    installed = package / "conf"
    return installed if installed.is_dir() else package.parent / "conf"


def usage() -> str:
    """What ``sovits --help`` prints."""
    verbs = "\n".join(f"  {verb:<11}{line}" for verb, line in VERBS.items())
    return (
        f"sovits {__version__}: few-shot, multi-speaker text-to-speech\n\nusage: sovits VERB [KEY=VALUE ...]\n\n{verbs}\n\n"
        "sovits VERB --help          every key of a verb and its choices\n"
        "sovits VERB --cfg job       the composed configuration, nothing run\n"
        "sovits VERB --config-dir D  adds your own folder of configurations\n"
    )


def main() -> None:
    """Runs one verb. Exits with 1 and one sentence where the user can mend something."""
    arguments = sys.argv[1:]
    if not arguments or arguments[0] in {"-h", "--help", "help"}:
        print(usage())
        return
    verb = arguments[0]
    if verb == "--version":
        print(__version__)
        return
    if verb not in VERBS:
        raise SystemExit(f"sovits: there is no verb {verb!r}; the verbs are {', '.join(VERBS)}.")
    sys.argv = [f"sovits {verb}", *_expanded(verb, arguments[1:])]
    run = _of_all_keys(getattr(importlib.import_module(f"sovits.verbs.{verb}"), verb))
    if verb == "train":
        run = partial(importlib.import_module("sovits.launching.jobs").work_off, run)
    register_speakers_of()
    # Hydra then raises its errors instead of printing them, and they can be told in a sentence.
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")
    try:
        hydra.main(version_base="1.3", config_path=str(config_directory()), config_name=verb)(_told_plainly(verb, run))()
    except BaseException as error:
        _end(verb, error)
    _end(verb, None)


def _end(verb: str, error: BaseException | None) -> None:
    """Accounts for the jobs of a multirun, tells a mistake in its sentence, and raises what must be raised."""
    summary = _multirun_told()
    if isinstance(error, CompactHydraException):
        raise SystemExit(f"sovits {verb}: {_composition_mistake(verb, error)}") from None
    # Hydra raises the error of the first job that failed, which is told already.
    told = isinstance(error, Exception) and summary is not None and summary.tells(error)
    if isinstance(error, SovitsError) and not told:
        raise SystemExit(f"sovits {verb}: {error}") from None
    if error is not None and not told:
        raise error
    if summary is not None and not summary.complete:
        raise SystemExit(1)


def _multirun_told() -> Summary | None:
    """How the jobs of a multirun stand, printed; None where there was no multirun."""
    hooks: Any = sys.modules.get("sovits.launching.hooks")
    sweep = None if hooks is None else hooks.Launching.multirun
    if sweep is None:
        return None
    hooks.Launching.multirun = None
    summary: Summary = sweep.summary()
    print(summary.told())
    return summary


def _expanded(verb: str, arguments: list[str]) -> list[str]:
    """What was typed, as Hydra reads it: an earlier run's command for its name, texts in quotes, the folder of a run to continue."""
    if verb != "train":
        return quote_overrides(arguments, verb)
    # Imported here: speaking needs no PyTorch.
    from sovits.runs.finding import continue_newest
    from sovits.runs.reproduction import expand_reproduce

    try:
        continued = continue_newest(quote_overrides(expand_reproduce(arguments), verb))
    except SovitsError as error:
        raise SystemExit(f"sovits {verb}: {error}") from None
    if continued.told:
        print(continued.told)
    return continued.arguments


def _of_all_keys(run: Callable[[DictConfig], Any]) -> Callable[[DictConfig], Any]:
    """``run``, refused while a key has no value."""

    def task(config: DictConfig) -> Any:
        if missing := sorted(OmegaConf.missing_keys(config)):
            raise SovitsError(f"{missing[0]} is not given; add {missing[0]}=VALUE.")
        return run(config)

    return task


def _told_plainly(verb: str, run: Callable[[DictConfig], Any]) -> Callable[[DictConfig], Any]:
    """``run``, with a mistake of the user's printed as its sentence instead of a traceback."""

    def task(config: DictConfig) -> Any:
        _hush()
        try:
            return run(config)
        except (SovitsError, InstantiationException, OmegaConfBaseException) as error:
            cause = mistake_behind(error)
            if cause is None:
                raise
            # An exit would end the other jobs of a multirun too.
            if in_multirun():
                raise cause from None
            raise SystemExit(f"sovits {verb}: {cause}") from None

    return task


def _composition_mistake(verb: str, error: CompactHydraException) -> str:
    """What is wrong with the overrides."""
    if isinstance(error, MissingConfigException) and error.options:
        # A name that begins with an underscore is part of others.
        options = [option for option in error.options if not option.startswith("_")]
        return f"There is no {error.missing_cfg_file}; choose one of {', '.join(options)}."
    cause = error.__cause__
    if not isinstance(cause, ConfigAttributeError | ConfigKeyError):
        return " ".join(str(error).split())
    siblings = [str(key) for key in cause.parent_node or ()]
    parent = str(cause.full_key).rpartition(".")[0]
    near = [f"{parent}.{key}".lstrip(".") for key in get_close_matches(str(cause.key), siblings, n=1)]
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(siblings)}." if siblings else f"{parent} is not in use here."
    return f"{cause.full_key} is not a key of `sovits {verb}`; {hint} `sovits {verb} --cfg job` shows all."


def _hush() -> None:
    """Leaves warnings to the log file, and out of it what a user can do nothing about."""
    logging.captureWarnings(True)
    # Advertisements and notes on hardware that is not there.
    logging.getLogger("lightning.pytorch.utilities.rank_zero").setLevel(logging.WARNING)
    for message in (
        ".*LeafSpec.*",
        ".*pkg_resources is deprecated.*",
        ".*smaller than the logging interval.*",
        ".*does not have many workers.*",
        ".*`srun` command is available.*",
    ):
        warnings.filterwarnings("ignore", message)


if __name__ == "__main__":
    main()
