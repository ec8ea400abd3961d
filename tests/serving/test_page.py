"""The page to try voices with: what it is made of, and in a real browser before a planned service."""

from __future__ import annotations

import io
import json
import re
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sovits.audio.waveform import READABLE
from sovits.serving import app
from sovits.serving.enrolment import EnrolmentLimits
from sovits.serving.schemas import MEDIA_TYPES, MOST_CHARACTERS
from sovits.serving.speaker_routes import LONGEST_CONSENT
from tests.browser import Browser, browser
from tests.serving.stub_service import RATE, STRICT, StubService, StubSpeaker, stub_service

PAGE = app.PAGE
MODULES = {path.name: path.read_text(encoding="utf-8") for path in sorted(PAGE.glob("*.js"))}
HTML, CSS = ((PAGE / name).read_text(encoding="utf-8") for name in ("index.html", "page.css"))
JS = "".join(MODULES.values())
EVIL = "<img src=x onerror=\"document.title='taken'\"> <b>Eve</b>"
SPEAKERS = (
    StubSpeaker("p225"),
    StubSpeaker("王小明"),
    StubSpeaker("Anna", "enrolled", 14.2, 3, "Anna Berg agreed on 3 May 2026.", "2026-05-03T10:00:00+00:00"),
)
REFUSALS = re.compile(r"the server responded with a status of (401|409|422)")


class Read(HTMLParser):
    """Tags with their attributes, and the text of scripts and styles."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(HTML)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_nothing_stands_in_the_page_that_a_strict_policy_forbids() -> None:
    tags = Read().tags
    assert {tag for tag, _ in tags}.isdisjoint({"style", "iframe", "object", "embed", "base"})
    assert all("src" in attributes for tag, attributes in tags if tag == "script")
    names = {name for _, attributes in tags for name in attributes}
    assert [name for name in names if name == "style" or name.startswith("on")] == []
    addresses = [value or "" for _, attributes in tags for name, value in attributes.items() if name in ("src", "href", "action")]
    assert {address for address in addresses if not address.startswith("data:image/")} == {"page/page.css", "page/page.js"}
    assert "url(" not in CSS
    assert "@import" not in CSS
    assert re.findall(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|alert\(|confirm\(|prompt\(|https?://", JS) == []


def test_the_page_agrees_with_the_service() -> None:
    by_id = {attributes["id"]: attributes for _, attributes in Read().tags if "id" in attributes}
    limits = EnrolmentLimits()
    assert by_id["text"]["data-most"] == str(MOST_CHARACTERS)
    assert by_id["consent"]["maxlength"] == str(LONGEST_CONSENT)
    assert re.findall(r"<option>(\w+)", HTML) == list(MEDIA_TYPES)
    assert dict(re.findall(r'(\w+): "(audio/\w+)"', JS.split("const TYPES")[1].split("}")[0])) == MEDIA_TYPES
    assert f"At least {limits.seconds:g} s" in HTML
    assert f"Up to {limits.clips} recordings, none longer than {limits.clip_seconds:g} s" in HTML
    assert int(re.findall(r"LONGEST_RECORDING = (\d+)", JS)[0]) < limits.clip_seconds
    assert {f".{ending}" for ending in re.findall(r"READABLE = /\\\.\((.*)\)", JS)[0].split("|")} == set(READABLE)
    for directive in STRICT.split("; "):
        assert directive in app._SAFE["Content-Security-Policy"]


def test_the_modules_are_small_and_know_only_those_below_them() -> None:
    order = ["dom.js", "asking.js", "samples.js", "voices.js", "player.js", "takes.js", "speaking.js", "enrolment.js", "page.js"]
    assert sorted(order) == list(MODULES)
    for place, name in enumerate(order):
        assert set(re.findall(r'from "\./(.+?)"', MODULES[name])) <= set(order[:place])
        assert MODULES[name].count("\n") < 250
    assert set(re.findall(r'import "\./(.+?)"', MODULES["page.js"])) == {"enrolment.js"}


def test_every_colour_and_every_element_that_is_used_exists() -> None:
    assert set(re.findall(r"var\((--\w+)", CSS)) | {"--kept", "--soft", "--ink"} <= set(re.findall(r"(--\w+):", CSS))
    ids = {attributes["id"] for _, attributes in Read().tags if "id" in attributes}
    assert set(re.findall(r"""(?:\$|tell)\("([\w-]+)\"""", JS)) <= ids
    assert {value for _, attributes in Read().tags for name in ("for", "aria-labelledby") if (value := attributes.get(name))} <= ids


@contextmanager
def visited(folder: Path, *speakers: StubSpeaker, key: str | None = None) -> Iterator[tuple[Browser, StubService]]:
    """The page in a browser. Whatever was done there, nothing else was asked, and nothing went wrong but what was refused."""
    with stub_service(PAGE, *(speakers or SPEAKERS)) as service, browser(folder / "chromium") as page:
        service.key = key
        page.open(service.address)
        yield page, service
        assert {address for address in page.asked_of_network if not address.startswith(service.address)} == set()
        assert [error for error in page.errors if not REFUSALS.search(error)] == []
        assert page.run("document.title") == "sovits: try the voices"


def text_of(page: Browser, selector: str) -> str:
    return page.run(f"document.querySelector({json.dumps(selector)}).textContent")


def choose_voice(page: Browser, name: str) -> None:
    page.wait("document.querySelectorAll('.voice').length > 0")
    page.run(f"[...document.querySelectorAll('.voice input')].find(one => one.value === {json.dumps(name)}).click()")


def take(page: Browser, text: str, number: int = 1) -> None:
    """Lets a text be spoken; ``number`` takes are there then."""
    page.type("#text", text)
    page.click("#speak")
    page.wait(f"document.querySelectorAll('#take-list li').length === {number}")


@pytest.mark.slow
def test_speaking(tmp_path: Path) -> None:
    with visited(tmp_path) as (page, service):
        choose_voice(page, "王小明")
        assert text_of(page, ".voice .about") == "enrolled · 14.2 s · 3 clips · 2026-05-03"
        assert text_of(page, ".voice .consent") == "Anna Berg agreed on 3 May 2026."
        assert page.run("document.querySelector('#speak').disabled")

        # Code points count, not the two units of UTF-16 that the first needs.
        page.type("#text", "𠮷" + "a" * 149)
        assert text_of(page, "#count") == "150 of 150"
        assert not page.run("document.querySelector('#speak').disabled")
        page.type("#text", "𠮷" + "a" * 150)
        assert "1 too many" in text_of(page, "#over")
        assert page.run("getComputedStyle(document.querySelector('#count')).color") == "rgb(179, 56, 44)"
        page.press("Enter", 13, ctrl=True)
        assert page.run("document.querySelector('#speak').disabled")
        assert not [one for one in service.asked if one.method == "POST"]
        # Were the service's limit another, its own words would tell.
        page.run("document.querySelector('#text').dataset.most = 999")
        page.type("#text", "a" * 151)
        page.press("Enter", 13, ctrl=True)
        page.wait("!document.querySelector('#speak-error').hidden")
        assert text_of(page, "#speak-error") == "text has 151 characters and may have 150; send it in parts."

        page.click("[name=language][value=zh]")
        page.run("(one => { one.value = -1; one.dispatchEvent(new Event('input')); })(document.querySelector('#speed'))")
        assert text_of(page, "#speed-shown") == "0.50 ×"
        take(page, "Hello 欢迎")
        assert page.run("document.querySelector('#speak-error').hidden")
        asked = service.last("POST", "/v1/tts").json
        seed = asked.pop("seed")
        expected = {"text": "Hello 欢迎", "speaker_id": "王小明", "format": "wav", "speed": 0.5, "language": "zh", "timestamps": True}
        assert asked == expected
        assert text_of(page, "#seed-used") == str(seed)
        assert text_of(page, "#request-id") == "0123456789abcdef"
        assert page.run("[...document.querySelectorAll('#words button')].map(one => one.firstChild.data)") == ["Hello", "欢", "迎"]
        page.click("#keep-seed")
        take(page, "Hello again", 2)
        assert service.last("POST", "/v1/tts").json["seed"] == seed

        page.run("(one => { one.value = 0; one.dispatchEvent(new Event('input')); })(document.querySelector('#speed'))")
        page.type("#seed", "")
        page.click("#take-list li:last-child .link")
        page.click("#speak")
        page.wait("document.querySelectorAll('#take-list li').length === 3")
        assert service.last("POST", "/v1/tts").json == expected | {"seed": seed}


@pytest.mark.slow
def test_voices_that_others_enrol_and_delete(tmp_path: Path) -> None:
    look = "window.dispatchEvent(new Event('focus'))"
    with visited(tmp_path) as (page, service):
        choose_voice(page, "Anna")
        page.run("document.querySelector('.voice :checked').focus()")
        service.speakers.append(StubSpeaker("Eve", "enrolled"))
        page.run(look)
        page.wait("document.querySelectorAll('.voice').length === 4")
        # Who stands on a voice is not moved.
        assert page.run("[document.activeElement.value, document.querySelector('.voice :checked').value]") == ["Anna", "Anna"]
        page.run("document.querySelector('.voice').mark = 1")
        asked = len(service.asked)
        page.run(look)
        for _ in range(200):
            if len(service.asked) > asked:
                break
            page.run("new Promise(done => setTimeout(done, 20))")
        # What is as it was is not written anew.
        assert page.run("document.querySelector('.voice').mark") == 1
        service.speakers[:] = [one for one in service.speakers if one.id != "Anna"]
        page.run(look)
        page.wait("document.querySelectorAll('.voice').length === 3")
        assert text_of(page, "#voices-note") == "The voice “Anna” is no longer there."
        service.enrolment = {"clips": 2, "clip_seconds": 9.0, "seconds": 4.0}
        page.run(look)
        page.wait("document.querySelector('#clips-needed').textContent.includes('Up to 2 recordings, none longer than 9 s.')")
        service.enrolment = None
        page.run(look)
        page.wait("document.querySelector('#enrol').hidden")


@pytest.mark.slow
def test_seeds_that_are_none_are_not_sent(tmp_path: Path) -> None:
    with visited(tmp_path) as (page, service):
        choose_voice(page, "p225")
        page.type("#text", "Hello")
        for wrong in ("-1", "1.5", "ten", "9007199254740993"):
            page.type("#seed", wrong)
            page.click("#speak")
            assert "A seed is a whole number" in text_of(page, "#speak-error")
            assert page.run("document.activeElement.id") == "seed"
        assert not [one for one in service.asked if one.method == "POST"]


@pytest.mark.slow
def test_playing(tmp_path: Path) -> None:
    with visited(tmp_path) as (page, _):
        choose_voice(page, "p225")
        take(page, "one two three four five six seven eight nine ten")
        page.wait("document.querySelector('#words [aria-current]') !== null")
        page.click("#play")
        page.wait("document.querySelector('#audio').paused && document.querySelector('#play').getAttribute('aria-label') === 'Play'")
        page.click("#words button:nth-child(7)")
        page.wait("document.querySelector('#words button:nth-child(7)').hasAttribute('aria-current')")
        page.run("document.querySelector('#audio').pause()")
        begin = page.run("parseFloat(document.querySelector('#words button:nth-child(7) small').textContent)")
        assert page.run("document.querySelector('#audio').currentTime") >= begin - 0.01
        colours = "new Set(document.querySelector('#wave').getContext('2d').getImageData(0, 0, 400, 40).data).size"
        assert page.run(colours) > 4
        page.run("document.querySelector('#seek').focus()")
        page.press("Home", 36)
        page.wait("document.querySelector('#audio').currentTime === 0")
        page.press("ArrowRight", 39)
        page.wait("Math.abs(document.querySelector('#audio').currentTime - 0.2) < 0.01")
        page.wait("document.querySelector('#seek').getAttribute('aria-valuenow') === '0.20'")


@pytest.mark.slow
@pytest.mark.parametrize("name", list(MEDIA_TYPES))
def test_every_format_plays_and_is_downloaded_as_it_came(tmp_path: Path, name: str) -> None:
    with visited(tmp_path) as (page, _):
        choose_voice(page, "p225")
        page.run(f"document.querySelector('#format').value = '{name}'")
        take(page, "Hello over there")
        page.wait("document.querySelector('#audio').currentTime > 0.1")
        assert page.run("document.querySelector('#play-error').hidden")
        seed = text_of(page, "#seed-used")
        page.click("#download")
        path = page.downloads / f"p225_{seed}.{name}"
        page.wait("true")
        for _ in range(200):
            if path.exists():
                break
            page.run("new Promise(done => setTimeout(done, 20))")
        raw = {"samplerate": RATE, "channels": 1, "subtype": "PCM_16", "format": "RAW"} if name == "pcm" else {}
        info = soundfile.info(io.BytesIO(path.read_bytes()), verbose=False) if not raw else None
        samples = np.frombuffer(path.read_bytes(), "<i2") if raw else None
        seconds = len(samples) / RATE if samples is not None else info.duration  # type: ignore[union-attr]
        shown = float(text_of(page, "#seconds").split()[0])
        assert seconds == pytest.approx(shown, abs=0.12)


@pytest.mark.slow
def test_a_slow_answer_is_cancelled(tmp_path: Path) -> None:
    with visited(tmp_path) as (page, service):
        choose_voice(page, "p225")
        service.delay = 30
        page.type("#text", "Hello")
        page.run("document.querySelector('#speak').focus()")
        page.click("#speak")
        page.wait("!document.querySelector('#cancel').hidden")
        assert page.run("document.activeElement.id") == "cancel"
        assert page.run("document.querySelector('#speak').disabled")
        page.click("#cancel")
        page.wait("document.querySelector('#status').textContent === 'Cancelled.'")
        page.wait("document.querySelector('#cancel').hidden")
        for _ in range(200):
            if service.left:
                break
            page.run("new Promise(done => setTimeout(done, 20))")
        assert service.left == ["/v1/tts"]
        assert page.run("document.querySelector('#speak-error').hidden")
        service.delay = 0
        take(page, "Hello")


@pytest.mark.slow
def test_a_key_is_asked_for_and_stays_in_the_tab(tmp_path: Path) -> None:
    with visited(tmp_path, key="sk-right") as (page, service):
        page.wait("!document.querySelector('#key-form').hidden")
        assert "asks for a key" in text_of(page, "#key-why")
        for key, shown in (("sk wrong", "no spaces"), ("sk-wrong", "asks for a key")):
            page.type("#key", key)
            page.click("#key-form button")
            page.wait(f"!document.querySelector('#key-form').hidden && document.querySelector('#key-why').textContent.includes('{shown}')")
        page.type("#key", "sk-right")
        page.press("Enter", 13)
        page.click("#key-form button")
        page.wait("document.querySelectorAll('.voice').length === 3")
        assert page.run("document.querySelector('#key-form').hidden")
        take(page, "Hello")
        assert service.last("POST", "/v1/tts").headers["Authorization"] == "Bearer sk-right"
        assert page.run("localStorage.length + document.cookie.length") == 0
        # One that is no longer good is asked for anew, and the text is then said without another click.
        service.key = "sk-new"
        page.type("#text", "Hello again")
        page.click("#speak")
        page.wait("!document.querySelector('#key-form').hidden && !document.querySelector('#cancel').offsetParent")
        page.type("#key", "sk-new")
        page.click("#key-form button")
        page.wait("document.querySelectorAll('#take-list li').length === 2")


@pytest.mark.slow
def test_enrolling(tmp_path: Path) -> None:
    for name in ("one.wav", "two.flac"):
        soundfile.write(tmp_path / name, np.sin(np.arange(8000) / 20) * 0.5, 16000)
    # A format that the service does not read; the browser does.
    soundfile.write(tmp_path / "three.ogg", np.sin(np.arange(8000) / 20) * 0.5, 16000)
    (tmp_path / "three.ogg").rename(tmp_path / "three.oga")
    with visited(tmp_path) as (page, service):
        choose_voice(page, "p225")
        page.click("#enrol summary")
        for field, told in (("name", "needs a name"), ("files", "at least one file"), ("consent", "without consent nobody is enrolled")):
            page.click("#enrol-send")
            assert told in text_of(page, "#enrol-error")
            assert page.run("document.activeElement.id") == field
            if field == "files":
                page.choose("#files", *(tmp_path / name for name in ("one.wav", "two.flac", "three.oga")))
                page.wait("document.querySelectorAll('#clips li').length === 3")
            else:
                page.type(f"#{field}", {"name": "Anna", "consent": "Eve agreed today."}[field])
        page.click("#enrol-send")
        page.wait("document.querySelector('#enrol-error').textContent.includes('already')")
        assert text_of(page, "#enrol-error") == "There is a voice 'Anna' already; choose another name, or delete that one first."

        page.type("#name", "Eve")
        refused = (
            "No clip can be used. one.wav: refused for its snr (4.0 dB of speech over noise, gate.snr_min=12: record in a quieter place)."
        )
        service.refusal = (422, refused)
        page.click("#enrol-send")
        page.wait("document.querySelector('#enrol-error').textContent.includes('snr_min')")
        assert text_of(page, "#enrol-error") == refused

        service.notes = ("two.flac: no speech was found in it; send a clip in which somebody speaks.",)
        page.click("#enrol-send")
        page.wait("document.querySelectorAll('.voice').length === 4")
        assert text_of(page, "#enrol-status .done") == "“Eve” is a voice now, from 12.4 s of speech in 3 recordings."
        assert text_of(page, "#enrol-status li") == service.notes[0]
        form = service.last("POST", "/v1/speakers").form
        assert [(name, content.decode()) for name, file, content in form if file is None] == [
            ("speaker_id", "Eve"),
            ("consent", "Eve agreed today."),
        ]
        files = {file: content for name, file, content in form if name == "clips"}
        assert list(files) == ["one.wav", "two.flac", "three.wav"]
        assert files["one.wav"] == (tmp_path / "one.wav").read_bytes()
        with wave.open(io.BytesIO(files["three.wav"])) as sound:
            assert (sound.getnchannels(), sound.getsampwidth(), sound.getframerate()) == (1, 2, 48000)
            samples = np.frombuffer(sound.readframes(sound.getnframes()), "<i2")
        assert len(samples) / 48000 == pytest.approx(0.5, abs=0.05)
        assert np.abs(samples).max() / 32767 == pytest.approx(0.5, abs=0.05)
        take(page, "Hello")
        assert service.last("POST", "/v1/tts").json["speaker_id"] == "Eve"


@pytest.mark.slow
def test_an_enrolment_is_cancelled(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "one.wav", np.zeros(8000), 16000)
    with visited(tmp_path) as (page, service):
        choose_voice(page, "p225")
        page.click("#enrol summary")
        page.choose("#files", tmp_path / "one.wav")
        page.wait("document.querySelectorAll('#clips li').length === 1")
        page.type("#name", "Eve")
        page.type("#consent", "Eve agreed today.")
        service.delay = 30
        page.click("#enrol-send")
        page.wait("document.querySelector('#enrol-status').textContent.includes('listens')")
        page.click("#enrol-cancel")
        page.wait("document.querySelector('#enrol-status').textContent.startsWith('Cancelled.')")
        page.wait("document.querySelector('#enrol-cancel').hidden && !document.querySelector('#enrol-send').disabled")
        # Nothing that was written is lost.
        assert page.run("[document.querySelector('#name').value, document.querySelectorAll('#clips li').length]") == ["Eve", 1]


@pytest.mark.slow
def test_a_recording_is_sent_as_wav(tmp_path: Path) -> None:
    with visited(tmp_path) as (page, service):
        choose_voice(page, "p225")
        page.click("#enrol summary")
        page.click("#record")
        page.wait("document.querySelector('#record').textContent.startsWith('Stop 1')")
        page.type("#name", "Eve")
        page.type("#consent", "I agree.")
        page.click("#enrol-send")
        assert "stop it first" in text_of(page, "#enrol-error")
        page.click("#record")
        page.wait("document.querySelectorAll('#clips li').length === 1")
        page.click("#enrol-send")
        page.wait("document.querySelectorAll('.voice').length === 4")
        ((file, content),) = [(file, content) for name, file, content in service.last("POST", "/v1/speakers").form if name == "clips"]
        assert file == "recording 1.wav"
        with wave.open(io.BytesIO(content)) as sound:
            assert (sound.getnchannels(), sound.getsampwidth()) == (1, 2)
            assert sound.getnframes() / sound.getframerate() > 0.5
            # The planned microphone beeps.
            assert np.abs(np.frombuffer(sound.readframes(sound.getnframes()), "<i2")).max() > 500


@pytest.mark.slow
def test_deleting_asks_first(tmp_path: Path) -> None:
    with visited(tmp_path) as (page, service):
        choose_voice(page, "Anna")
        assert page.run("document.querySelectorAll('.voice button').length") == 1
        for answer, left in (("Keep it", 3), ("Delete", 2)):
            page.click(".voice button")
            assert text_of(page, "#sure-title") == "Delete the voice “Anna”?"
            page.run(f"[...document.querySelectorAll('#sure button')].find(one => one.textContent === '{answer}').click()")
            page.wait(f"!document.querySelector('#sure').open && document.querySelectorAll('.voice').length === {left}")
        assert [one.path for one in service.asked if one.method == "DELETE"] == ["/v1/speakers/Anna"]
        assert text_of(page, "#voices-note") == "The voice “Anna” is deleted."


@pytest.mark.slow
def test_what_others_wrote_is_only_text(tmp_path: Path) -> None:
    with visited(tmp_path, StubSpeaker(EVIL, "enrolled", 3.0, 1, EVIL, EVIL)) as (page, service):
        choose_voice(page, EVIL)
        take(page, f"{EVIL} said")
        service.refusal = (422, EVIL)
        page.click("#speak")
        page.wait("!document.querySelector('#speak-error').hidden")
        page.click(".voice button")
        for place in (".voice b", ".voice .consent", "#result-title", "#sure-title", "#speak-error", "#take-list .show span"):
            assert EVIL in text_of(page, place)
        assert page.run("document.querySelectorAll('img, main b b').length") == 0


@pytest.mark.slow
def test_many_voices_are_searched(tmp_path: Path) -> None:
    many = [StubSpeaker(f"p{number}") for number in range(225, 245)]
    with visited(tmp_path, *many, SPEAKERS[2]) as (page, _):
        page.wait("document.querySelectorAll('.voice').length === 21")
        seen = "[...document.querySelectorAll('.voice:not([hidden]) b')].map(one => one.textContent)"
        page.type("#search", "P24")
        assert page.run(seen) == ["p240", "p241", "p242", "p243", "p244"]
        page.press("ArrowDown", 40)
        assert page.run("document.querySelector('.voice :checked').value") == "p240"
        page.type("#search", "berg")
        assert page.run(seen) == ["Anna"]
        page.type("#search", "nobody")
        assert text_of(page, "#voices-note") == "No voice is like that."


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 820, 1200])
def test_it_fits_and_everything_has_a_name(tmp_path: Path, width: int) -> None:
    with visited(tmp_path) as (page, service):
        page.open(service.address, dark=True, width=width)
        choose_voice(page, "Anna")
        take(page, "Hello over there, " + "w" * 120)
        page.click("#enrol summary")
        assert page.run("document.documentElement.scrollWidth") <= width
        nameless = """[...document.querySelectorAll('button, input, select, textarea, a, [role]')].filter(one => !one.textContent.trim()
            && !one.getAttribute('aria-label') && !one.getAttribute('aria-labelledby') && !one.labels?.length
            && !['status', 'alert'].includes(one.getAttribute('role'))).map(one => one.outerHTML)"""
        assert page.run(nameless) == []


@pytest.mark.slow
def test_a_service_that_ended_is_told(tmp_path: Path) -> None:
    with browser(tmp_path / "chromium") as page:
        with stub_service(PAGE, *SPEAKERS) as service:
            page.open(service.address)
            choose_voice(page, "p225")
        page.type("#text", "Hello")
        page.click("#speak")
        page.wait("document.querySelector('#speak-error').textContent.startsWith('The service does not answer')")
