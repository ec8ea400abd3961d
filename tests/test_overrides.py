"""Whatever a user types arrives in the config as it was typed."""

from __future__ import annotations

import hydra
import numpy as np
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from sovits.overrides import as_choices, quote_overrides


def arrives(argument: str, verb: str = "synthesize") -> object:
    """The value that Hydra and OmegaConf make of it."""
    override = OverridesParser.create().parse_override(*quote_overrides([argument], verb))
    return OmegaConf.create({"value": override.value()}).value


TEXTS = [
    "Hello，欢迎致电客服中心",
    "Hello, world: it's 5 o'clock",
    'She said "no".',
    "你好。",
    "It costs $5 {or so} [maybe] (not) a=b; x#y! ~ @home 50%",
    "null",
    "42",
    "1,2,3",
    "${oc.env:HOME}",
    r"back\slash \' and \\${x}",
    "ends in a backslash\\",
    "two\nlines",
    "",
]


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_arrives_as_typed(text):
    assert arrives(f"text={text}") == text


def test_any_text_arrives_as_typed():
    random = np.random.default_rng(0)
    signs = np.array(list("aZ0 ,.:;'\"\\${}[]()=#~+-!?你，。é\n"))
    for _ in range(300):
        text = "".join(random.choice(signs, random.integers(1, 12)))
        if text[0] != text[-1] or text[0] not in "'\"":
            assert arrives(f"text={text}") == text


def test_the_key_is_the_configs_and_only_that_verbs():
    assert quote_overrides(["text=Hi"], "synthesize") == ["sentence='Hi'"]
    assert quote_overrides(["+text=Hi"], "synthesize") == ["sentence='Hi'"]
    assert quote_overrides(["text=characters"], "train") == ["text=characters"]


def test_quotes_of_ones_own_stay():
    assert arrives("text='Hello, world'") == "Hello, world"
    assert arrives('text="it\'s"') == "it's"
    assert arrives("text='Twas the night, wasn't it'") == "'Twas the night, wasn't it'"


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("checkpoint=outputs/train/epoch=3.ckpt", "outputs/train/epoch=3.ckpt"),
        ("recordings=录音/说话人", "录音/说话人"),
        ("reference=my voice (1).wav", "my voice (1).wav"),
        ("output=~/a#b&c.wav", "~/a#b&c.wav"),
        ("speaker=André", "André"),
        ("data.speakers=[小明,p225]", ["小明", "p225"]),
        ("data.speakers=[ p225, 19 ]", ["p225", 19]),
        ("seed=3", 3),
        ("+trainer.max_time='00:00:10:00'", "00:00:10:00"),
        ("model={a: 1}", {"a": 1}),
        ("resume=null", None),
    ],
)
def test_other_values_are_quoted_only_where_hydra_cannot_read_them(argument, value):
    assert arrives(argument, "train") == value


def test_what_hydra_can_read_is_left_alone():
    arguments = [
        "-m",
        "--cfg",
        "job",
        "--config-dir=a dir",
        "~callbacks.voice",
        "seed=1,2,3",
        "trainer=gpu",
        "a@b=c",
        "lr=interval(0,1)",
        "data",
    ]
    assert quote_overrides(arguments, "train") == arguments


def test_hydra_composes_the_text_beside_a_group_of_that_name(tmp_path):
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "phones.yaml").write_text("a: 1")
    (tmp_path / "synthesize.yaml").write_text("sentence: null")
    with hydra.initialize_config_dir(str(tmp_path), version_base="1.3"):
        config = hydra.compose("synthesize", quote_overrides([f"text={TEXTS[1]}"], "synthesize"))
    assert config.sentence == TEXTS[1]


def test_names_as_the_choices_of_a_key():
    names = ["LJ", "19", "007", "1e5", "true", "null", "S0150", "Wang Fei", "O'Brien", "a,b", "王芳", "p_225-b"]
    override = OverridesParser.create().parse_override(f"data.speaker={as_choices(names)}")
    assert override.is_choice_sweep()
    arrived = [OverridesParser.create().parse_override(f"x={choice}").value() for choice in override.sweep_string_iterator()]
    assert [str(OmegaConf.create({"value": value}).value) for value in arrived] == names
    assert as_choices(["19", "LJ"]) == "19,LJ"
