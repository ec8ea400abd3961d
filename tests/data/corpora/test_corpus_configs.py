"""Every ``corpus=`` that ships builds from its configuration and reads its corpus in miniature."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from sovits.cli import config_directory
from tests.data.corpora import trees

CONF = config_directory() / "corpus"
TREES: dict[str, tuple[Callable[[Path], Path], int]] = {
    "folders": (trees.folders, 2),
    "ljspeech": (trees.ljspeech, 3),
    "vctk": (trees.vctk, 5),
    "libritts": (trees.libritts, 3),
    "aishell3": (trees.aishell3, 4),
    "metadata": (trees.metadata, 2),
    "list": (trees.annotation_list, 2),
}


def composed(name: str, root: Path, **options: object) -> DictConfig:
    config = OmegaConf.create({"recordings": str(root), "corpus": OmegaConf.load(CONF / f"{name}.yaml")})
    config.corpus = OmegaConf.merge(config.corpus, options)
    return config.corpus


def test_every_configuration_has_its_corpus_here() -> None:
    assert {path.stem for path in CONF.glob("*.yaml")} == set(TREES)


@pytest.mark.parametrize("name", TREES)
def test_every_configuration_reads_its_corpus(name: str, tmp_path: Path) -> None:
    tree, count = TREES[name]
    found = instantiate(composed(name, tree(tmp_path))).find()
    assert len(found) == count
    assert all(recording.problem is None and recording.speaker and recording.path.is_file() for recording in found)
    assert [recording.name for recording in found] == sorted({recording.name for recording in found})
    assert len({(recording.speaker, recording.stem) for recording in found}) == count


@pytest.mark.parametrize(
    ("name", "options", "count"),
    [
        ("vctk", {"microphone": "both"}, 8),
        ("libritts", {"subsets": ["dev-clean"], "text": "original"}, 1),
        ("aishell3", {"subsets": ["test"]}, 1),
        ("metadata", {"speaker": "zoe"}, 2),
        ("ljspeech", {"speaker": "zoe"}, 3),
    ],
)
def test_options_reach_the_corpus(name: str, options: dict[str, object], count: int, tmp_path: Path) -> None:
    found = instantiate(composed(name, TREES[name][0](tmp_path), **options)).find()
    assert len(found) == count
    if "speaker" in options:
        assert found[0].speaker == "zoe"


def test_tables_and_lists_are_given_as_options(tmp_path: Path) -> None:
    table = trees.write(tmp_path / "table.csv", "path,text\nann/1.wav,from the table\n")
    found = instantiate(composed("folders", trees.folders(tmp_path / "audio"), metadata=str(table))).find()
    assert [recording.text for recording in found] == ["from the table", None]
    lists = trees.write(tmp_path / "other.list", "slicer_opt/b.wav|mei|en|Hello.\n")
    (only,) = instantiate(composed("list", trees.annotation_list(tmp_path / "list"), list=str(lists))).find()
    assert only.text == "Hello."
