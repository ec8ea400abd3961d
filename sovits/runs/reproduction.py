"""``sovits train reproduce=RUN``: the command of an earlier run, given again."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sovits.errors import SovitsError
from sovits.runs.record import FILE_NAME, RunRecord

KEY = "reproduce"
NOT_REPEATED = re.compile(
    r"resume|reproduces?|reproduce_anyway|sweep|launcher|paths\.run|logger\.wandb\.(id|resume|version)|hydra[./].*|hydra", re.ASCII
)
"""What belongs to one run and not to what it found out: where it lay, where it went on, how it was sent to a cluster."""
PLACES = re.compile(r"warm_start|checkpoint|[\w.]+\.(root|rehearsal_root|folder|cache_folder|source|checkpoint|teacher)", re.ASCII)
"""Keys whose value may be a file or a folder."""
FOLDERS = ("hydra.run.dir", "paths.run")


@dataclass(frozen=True)
class Override:
    """One ``KEY=VALUE`` of a command."""

    sign: str
    """What stands before the key: ``+``, ``++``, ``~`` or nothing."""
    key: str
    value: str | None
    """``None`` where there is no ``=``: ``~callbacks.samples``."""

    @classmethod
    def of(cls, text: str) -> Override:
        """Reads ``text``, whatever it is: what is no override becomes a key without a value."""
        key, equals, value = text.partition("=")
        name = key.lstrip("+~")
        return cls(key[: len(key) - len(name)], name, value if equals else None)

    def __str__(self) -> str:
        return f"{self.sign}{self.key}" + ("" if self.value is None else f"={self.value}")


def expand_reproduce(arguments: Sequence[str]) -> list[str]:
    """The arguments of ``sovits train`` with ``reproduce=RUN`` replaced by the overrides of that run.

    Args:
        arguments: behind the verb. Those beside ``reproduce=`` win over the run's own.

    Returns:
        the arguments unchanged where none is ``reproduce=``; otherwise with complete overrides that end with ``reproduces=RUN``.

    Raises:
        SovitsError: no run there, a damaged record, one that no command line started, or a command that would write into it.
    """
    asked = [argument for argument in arguments if Override.of(argument).key == KEY]
    if not asked:
        return list(arguments)
    if len(asked) > 1:
        raise SovitsError(f"{' and '.join(asked)} name {len(asked)} runs; reproduce one at a time.")
    run = _run_folder(asked[0])
    begin, end = _stretch(arguments, arguments.index(asked[0]))
    given = [argument for argument in arguments[begin:end] if argument != asked[0]]
    _refuse_its_folder(run, given)
    record = RunRecord.load(run)
    if not record.overrides and not (run / ".hydra").is_dir():
        raise SovitsError(f"{run} was not started by `sovits train` on a command line, so its {FILE_NAME} has no overrides to repeat.")
    return [*arguments[:begin], *_merged(repeated_overrides(record), given), f"reproduces={run}", *arguments[end:]]


def _stretch(arguments: Sequence[str], place: int) -> tuple[int, int]:
    """Begin and end of the overrides around ``place``: Hydra reads only one stretch of them between its flags."""
    begin = end = place
    while begin and _is_override(arguments[begin - 1]):
        begin -= 1
    while end < len(arguments) and (end == place or _is_override(arguments[end])):
        end += 1
    return begin, end


def _is_override(argument: str) -> bool:
    return not argument.startswith("-") and ("=" in argument or argument.startswith("~"))


def repeated_overrides(record: RunRecord) -> list[str]:
    """Those of a run that make its experiment, with relative places made absolute where the command is given in another folder."""
    own = [Override.of(text) for text in record.overrides]
    kept = [override for override in own if not NOT_REPEATED.fullmatch(override.key)]
    before = Path(record.directory) if record.directory else Path.cwd()
    if before.resolve() == Path.cwd().resolve():
        return [str(override) for override in kept]
    moved = [_absolute(override, before) for override in kept if override.key != "data.root"]
    # Where the set lies may follow from the folder that the command was given in.
    root = record.data.get("root")
    return [str(override) for override in moved] + ([f"data.root={root}"] if root else [])


def _absolute(override: Override, before: Path) -> Override:
    if override.value is None or not PLACES.fullmatch(override.key):
        return override
    place = before / override.value.strip("'\"")
    return Override(override.sign, override.key, str(place)) if override.value and place.exists() else override


def _run_folder(asked: str) -> Path:
    value = (Override.of(asked).value or "").strip("'\"")
    if not value or value == "null":
        raise SovitsError(f"{asked} names no run; write {KEY}=outputs/train/DATE_TIME.")
    run = Path(value).expanduser().resolve()
    jobs = sorted(path.parent.name for path in run.glob(f"*/{FILE_NAME}")) if run.is_dir() else []
    if jobs and not (run / FILE_NAME).is_file():
        raise SovitsError(f"{run} holds {len(jobs)} runs; name one of them, such as {KEY}={run / jobs[0]}.")
    return run


def _refuse_its_folder(run: Path, given: Sequence[str]) -> None:
    for override in map(Override.of, given):
        if override.key in FOLDERS and override.value and Path(override.value.strip("'\"")).expanduser().resolve() == run:
            raise SovitsError(f"{override} is the folder of the run to reproduce, which stays as it is; choose another.")


def _merged(repeated: Sequence[str], given: Sequence[str]) -> list[str]:
    """``given`` in place of the repeated ones of the same key."""
    own = {override.key: override for override in map(Override.of, repeated)}
    mine = [Override.of(argument) for argument in given]
    replaced = {override.key for override in mine}
    result = [text for text in repeated if Override.of(text).key not in replaced]
    for override in mine:
        earlier = own.get(override.key)
        # A key that the first command had to add is no more known to the second.
        added = earlier is not None and earlier.sign.startswith("+") and not override.sign
        result.append(str(Override(earlier.sign, override.key, override.value) if earlier and added else override))
    return result
