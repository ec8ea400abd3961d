"""The gate: what each limit refuses, in which words, and who may overrule it."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from sovits.cli import config_directory
from sovits.data.manifest import Utterance
from sovits.data.quality.gate import Gate
from sovits.data.quality.quality import Quality, Reason
from sovits.errors import SovitsError

GROUP = config_directory() / "gate"


def utterance(name: str = "ann/1", language: str = "en", **quality: object) -> Utterance:
    figures = Quality(**quality)  # type: ignore[arg-type]
    return Utterance(name, "audio/x.wav", "ann", language, "hello", 0.0, 1.0, 1.0, "train", "x.wav", "sidecar:x.txt", "0", (), figures)


def shipped(name: str) -> Gate:
    with initialize_config_dir(str(config_directory()), version_base="1.3"):
        return instantiate(compose(f"gate/{name}")["gate"])


@pytest.mark.parametrize(
    ("threshold", "limit", "good", "bad"),
    [
        ("source_rate_min", 16000, 16000, 8000),
        ("bandwidth_min", 4200.0, 4200.0, 3400.0),
        ("clipping_max", 0.001, 0.001, 0.02),
        ("snr_min", 12.0, 12.0, 5.1),
        ("mos_overall_min", 2.0, 2.5, 1.9),
        ("mos_signal_min", 2.0, 2.5, 1.9),
        ("mos_background_min", 2.0, 2.5, 1.9),
        ("reverberation_max", 0.5, 0.4, 0.9),
        ("music_max", 0.01, 0.002, 0.02),
        ("speech_rate_min", 2.0, 4.0, 1.0),
        ("speech_rate_max", 8.0, 4.0, 12.0),
        ("silence_start_max", 0.5, 0.1, 0.9),
        ("silence_end_max", 0.5, 0.1, 0.9),
        ("longest_pause_max", 2.0, 0.3, 3.0),
        ("alignment_confidence_min", 0.3, 0.9, 0.1),
        ("disagreement_max", 0.5, 0.0, 1.2),
        ("voice_distance_max", 0.3, 0.1, 0.5),
    ],
)
def test_each_threshold_refuses_what_is_beyond_it(threshold: str, limit: float, good: float, bad: float) -> None:
    measure, end = threshold.rsplit("_", 1)
    gate = Gate(**{threshold: limit})
    assert gate.limits == {measure: {end: limit}}
    assert gate(utterance(**{measure: good})) == ()
    assert gate(utterance(**{measure: limit})) == ()
    assert gate(utterance(**{measure: None})) == ()
    (reason,) = gate(utterance(**{measure: bad}))
    assert reason.measure == measure
    assert re.fullmatch(rf".*\d.*, gate\.{threshold}={limit:g}: [a-z].*[a-z]", reason.text)
    assert Gate(**{threshold: None})(utterance(**{measure: bad})) == ()


def test_reason_names_figure_limit_and_remedy() -> None:
    (reason,) = Gate(snr_min=12)(utterance(snr=5.14))
    assert reason == Reason("snr", "5.1 dB of speech over noise, gate.snr_min=12: record in a quieter place or nearer to the microphone")


def test_every_reason_is_given() -> None:
    reasons = Gate(snr_min=12, reverberation_max=0.45, speech_rate_min=2, speech_rate_max=8)(
        utterance(snr=3.0, reverberation=1.1, speech_rate=11.0)
    )
    assert [reason.measure for reason in reasons] == ["snr", "reverberation", "speech_rate"]


def test_a_figure_that_is_no_number_is_refused() -> None:
    assert Gate(snr_min=12)(utterance(snr=float("nan"))) != ()


@pytest.mark.parametrize(
    ("language", "heard", "languages", "refused"),
    [
        ("en", "en", ["en", "zh"], False),
        ("en", "zh", ["en", "zh"], True),
        ("zh", "zh", ["en", "zh"], False),
        ("zh", "en", ["en", "zh"], True),
        ("mixed", "en", ["en", "zh"], False),
        ("mixed", "zh", ["en", "zh"], False),
        ("mixed", "ja", ["en", "zh"], True),
        ("mixed", "zh", ["en"], True),
        ("zh", "zh", ["en"], True),
        ("en", None, ["en", "zh"], False),
        ("en", "de", None, False),
    ],
)
def test_language(language: str, heard: str | None, languages: list[str] | None, refused: bool) -> None:
    reasons = Gate(languages=languages)(utterance(language=language, heard_language=heard))
    assert [reason.measure for reason in reasons] == ["heard_language"] * refused
    assert all(f"heard as {heard}" in reason.text for reason in reasons)


def test_a_person_overrules_the_figures() -> None:
    gate = Gate(snr_min=12, keep=["ann/*"], refuse=["ann/3", "bob/*"])
    assert gate(utterance("ann/1", snr=1.0)) == ()
    assert [reason.measure for reason in gate(utterance("cy/1", snr=1.0))] == ["snr"]
    (reason,) = gate(utterance("ann/3", snr=40.0))
    assert reason.measure == "refuse"
    assert "gate.refuse=ann/3" in reason.text
    assert gate(utterance("bob/7", snr=40.0)) != ()
    assert gate.unmatched(["ann/1", "cy/1"]) == ["ann/3", "bob/*"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"snr_mni": 3}, "did you mean gate.snr_min"),
        ({"loudness_max": 3}, "gate.loudness_max is no threshold"),
        ({"snr_min": "twelve"}, "gate.snr_min=twelve is not a number"),
        ({"snr_min": float("nan")}, "not a number"),
        ({"clipping_max": 3}, "from 0 to 1"),
        ({"mos_background_min": 0.5}, "from 1 to 5"),
        ({"reverberation_max": True}, "0 or more"),
        ({"speech_rate_min": 9, "speech_rate_max": 3}, "nothing would pass"),
        ({"languages": ["de"]}, "gate.languages"),
        ({"languages": "en"}, "gate.languages"),
        ({"languages": []}, "gate.languages"),
        ({"keep": "ann/1"}, "gate.keep"),
        ({"refuse": [""]}, "gate.refuse"),
    ],
)
def test_bad_settings(settings: dict, message: str) -> None:
    with pytest.raises(SovitsError, match=message):
        Gate(**settings)


def test_shipped_gates() -> None:
    gate = shipped("default")
    assert {"snr", "reverberation", "clipping", "mos_background", "bandwidth", "voice_distance", "disagreement"} <= gate.limits.keys()
    assert gate.limits.keys() <= {field.name for field in fields(Quality)}
    assert gate.languages == ("en", "zh")
    off = shipped("off")
    assert off.limits == {}
    assert off.languages is None
    assert off(utterance(snr=-20.0, clipping=1.0, mos_background=1.0, heard_language="de", reverberation=9.0)) == ()


def test_shipped_limits_judge_a_good_and_a_bad_clip() -> None:
    good = Quality(
        source_rate=22050, bandwidth=8000.0, clipping=0.0, snr=35.0, mos_overall=3.2, mos_signal=3.5, mos_background=4.0,
        reverberation=0.3, music=0.003, speech_rate=4.5, silence_start=0.1, silence_end=0.1, longest_pause=0.4,
        alignment_confidence=0.9, disagreement=0.05, heard_language="en", voice_distance=0.1,
    )  # fmt: skip
    gate = shipped("default")
    clip = replace(utterance(), quality=good)
    assert gate(clip) == ()
    worse = replace(good, snr=3.0, mos_background=1.3, reverberation=0.9, source_rate=8000, bandwidth=3700.0)
    assert [r.measure for r in gate(replace(clip, quality=worse))] == ["source_rate", "bandwidth", "snr", "mos_background", "reverberation"]


@pytest.mark.parametrize("name", ["default", "off"])
def test_every_threshold_has_a_comment(name: str) -> None:
    lines = (GROUP / f"{name}.yaml").read_text(encoding="utf-8").splitlines()
    keys = [line for line in lines if re.match(r"[a-z_]+:", line) and not line.startswith(("_target_", "_convert_", "defaults"))]
    assert len(keys) >= 18
    assert all(re.search(r"\S  +# \S.{5,}", line) for line in keys)


def test_both_gates_name_the_same_thresholds() -> None:
    keys = [set(re.findall(r"^([a-z]\w*):", Path(GROUP / f"{name}.yaml").read_text(encoding="utf-8"), re.M)) for name in ("default", "off")]
    assert keys[0] - {"keep", "refuse"} == keys[1] - {"defaults"}
