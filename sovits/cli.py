"""``sovits <verb> [hydra overrides]``: one console script, each verb one small Hydra application."""

from __future__ import annotations

import importlib
import logging
import os
import sys
import warnings
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import hydra
from hydra.errors import CompactHydraException, InstantiationException, MissingConfigException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException

from sovits import __version__
from sovits.errors import SovitsError, mistake_behind
from sovits.overrides import quote_overrides
from sovits.runs.finding import continue_newest
from sovits.runs.reproduction import expand_reproduce

VERBS = {
    "prepare": "recordings -> an aligned, checked set of utterances       sovits prepare recordings=DIR",
    "train": "a prepared set -> a checkpoint                            sovits train experiment=few_shot data.root=DIR",
    "evaluate": "a checkpoint -> figures, pictures and a listening page    sovits evaluate checkpoint=FILE",
    "synthesize": "a checkpoint, a voice and a text -> speech                sovits synthesize checkpoint=FILE speaker=NAME text=TEXT",
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
    run = getattr(importlib.import_module(f"sovits.verbs.{verb}"), verb)
    # Hydra then raises its errors instead of printing them, and they can be told in a sentence.
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")
    try:
        hydra.main(version_base="1.3", config_path=str(config_directory()), config_name=verb)(_told_plainly(verb, run))()
    except CompactHydraException as error:
        raise SystemExit(f"sovits {verb}: {_composition_mistake(verb, error)}") from None


def _expanded(verb: str, arguments: list[str]) -> list[str]:
    """What was typed, as Hydra reads it: an earlier run's command in place of its name, texts in quotes, the folder of a run to continue."""
    if verb != "train":
        return quote_overrides(arguments, verb)
    try:
        continued = continue_newest(quote_overrides(expand_reproduce(arguments), verb))
    except SovitsError as error:
        raise SystemExit(f"sovits {verb}: {error}") from None
    if continued.told:
        print(continued.told)
    return continued.arguments


def _told_plainly(verb: str, run: Callable[[DictConfig], Any]) -> Callable[[DictConfig], Any]:
    """``run``, with a mistake of the user's printed as its sentence instead of a traceback."""

    def task(config: DictConfig) -> Any:
        _hush()
        if missing := sorted(OmegaConf.missing_keys(config)):
            raise SystemExit(f"sovits {verb}: {missing[0]} is not given; add {missing[0]}=VALUE.")
        try:
            return run(config)
        except SovitsError as error:
            raise SystemExit(f"sovits {verb}: {error}") from None
        except (InstantiationException, OmegaConfBaseException) as error:
            cause = mistake_behind(error)
            if cause is None:
                raise
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
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(siblings)}."
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
    ):
        warnings.filterwarnings("ignore", message)


if __name__ == "__main__":
    main()
