"""The report and its listening test in a real browser, from disk: looked at, played, clicked through, and the answers read back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from PIL import Image

from sovits.cli import config_directory
from sovits.reporting.listening_test import ListeningTest
from sovits.verbs.report import report
from tests.browser import Browser, browser
from tests.reporting.planted_runs import Planted

pytestmark = pytest.mark.slow

PLAY = """(async () => {
  for (const audio of document.querySelectorAll('audio')) {
    const over = new Promise(done => audio.addEventListener('ended', done, {once: true}));
    await audio.play();
    await over;
  }
  return true;
})()"""


def run(*overrides: str) -> Path:
    with initialize_config_dir(str(config_directory()), version_base="1.3"):
        return report(compose("report", ["statistics.resamples=100", "statistics.permutations=100", *overrides]))


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    sweep = tmp_path_factory.mktemp("outputs") / "sweep"
    for number, (size, seed) in enumerate((size, seed) for size in (192, 256, 384) for seed in (0, 1)):
        value = lambda _, clip, number=number: number / 10 + clip  # noqa: E731
        Planted([f"embedding_size={size}", f"seed={seed}"], value).write(sweep / str(number))
    Planted(["seed=9"], status="failed", reason="a reason that is long enough to be broken into several lines " * 3).write(sweep / "6")
    return run(f"runs={sweep}", "listening_test.max_preferences=3", "listening_test.max_marks=4")


@pytest.fixture
def window(tmp_path: Path):  # type: ignore[no-untyped-def]
    with browser(tmp_path / "browser") as opened:
        yield opened


def test_the_page_is_whole_in_light_dark_and_narrow(page: Path, window: Browser, tmp_path: Path) -> None:
    papers = []
    for dark, width in ((False, 1200), (True, 1200), (False, 400)):
        window.open(page, dark=dark, width=width)
        window.run("document.querySelectorAll('details').forEach(one => one.open = true)")
        window.run("document.querySelectorAll('img').forEach(one => one.loading = 'eager')")
        window.wait("[...document.images].every(one => one.complete && one.naturalWidth > 0)")
        assert window.run("document.documentElement.scrollWidth <= innerWidth"), f"wider than {width} px"
        assert window.run("document.images.length") == 5 * 4
        picture = Image.open(window.picture(tmp_path / f"{dark}{width}.png"))
        assert picture.width == width
        papers.append(sum(picture.convert("RGB").getpixel((2, 2))))  # type: ignore[arg-type]
    assert papers[1] < 150 < 600 < papers[0]
    assert window.run("[...document.querySelectorAll('svg circle')].every(one => one.getBBox().width > 0)")
    assert window.run(PLAY)
    assert not window.errors
    assert window.addresses
    assert not window.asked_of_network


def test_one_sound_plays_at_a_time_with_its_cursor(page: Path, window: Browser) -> None:
    window.open(page)
    window.run(
        "(async () => { const [one, two] = document.querySelectorAll('audio'); one.loop = true; await one.play(); await two.play(); })()"
    )
    assert window.run("document.querySelector('audio').paused")
    window.wait("document.querySelector('.cursor') !== null")


def question(window: Browser, choices: list[int]) -> None:
    """Listens to a question's sounds and answers with the choices of these numbers."""
    assert window.run("document.querySelector('#next').disabled")
    assert window.run("[...document.querySelectorAll('fieldset')].every(one => one.disabled)")
    window.run(PLAY)
    window.wait("[...document.querySelectorAll('fieldset')].every(one => !one.disabled)")
    for number, choice in enumerate(choices):
        window.run(f"document.querySelectorAll('fieldset')[{number}].querySelectorAll('input')[{choice}].click()")
    window.click("#next")


def test_the_listening_test_is_taken_and_read_back(page: Path, window: Browser) -> None:
    (folder,) = [path for path in page.parent.glob("listening_test_*") if path.is_dir()]
    test = ListeningTest.load(page.parent / f"{folder.name}.key.json")
    window.open(folder / "index.html", width=400, height=800)
    window.run("document.querySelector('#name').value = 'Mei 梅'; document.querySelector('#name').dispatchEvent(new Event('input'))")
    window.click("#begin")
    expected = {}
    for _ in range(3):
        shown = json.loads(window.run("JSON.stringify([...document.querySelectorAll('audio')].map(one => one.getAttribute('src')))"))
        names = [address.removeprefix("audio/") for address in shown]
        trial = next(one for one in test.trials.values() if set(one.sounds) == set(names))
        settings = [test.sounds[name].setting for name in names]
        expected[trial.id] = names[settings.index(max(settings))]
        question(window, [2 * settings.index(max(settings))])
    # Somebody closes the page and comes back: what was answered is still there.
    window.open(folder / "index.html", dark=True)
    assert "3 of 7" in window.run("document.querySelector('#begin').textContent")
    window.click("#begin")
    question(window, [3, 4])
    window.click("#back")
    assert window.run("document.querySelectorAll('fieldset')[1].querySelectorAll('input')[4].checked")
    window.click("#next")
    for _ in range(3):
        question(window, [3, 4])
    assert "Thank you" in window.run("document.body.textContent")
    window.click("#save")
    window.wait("true")
    for _ in range(500):
        if files := list(window.downloads.glob("answers_*.json")):
            break
        window.run("new Promise(done => setTimeout(done, 20))")
    assert files[0].name == f"answers_{test.id}_Mei_梅.json"
    assert not window.errors
    assert not window.asked_of_network
    saved = json.loads(files[0].read_text(encoding="utf-8"))
    assert saved["finished"]
    assert {one["trial"]: one["choice"] for one in saved["answers"] if one["kind"] == "preference"} == expected
    assert {(one["naturalness"], one["similarity"]) for one in saved["answers"] if one["kind"] == "marks"} == {(4, 5)}
    run(f"ratings='{files[0]}'", f"output={page.parent}")
    window.open(page)
    assert "1 listener answered" in window.run("document.querySelector('#listening-test').textContent")
    preferences = (page.parent / "preferences.csv").read_text().splitlines()[1:]
    assert [line.split(",")[3:6] for line in preferences] == [["0", "1", "0"]] * 3
