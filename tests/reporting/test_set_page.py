"""The page of a prepared set: what it says, that every link leads to a file, and that nothing is made twice."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections import defaultdict
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
from PIL import Image

from sovits.audio.waveform import write_waveform
from sovits.data.manifest import QUARANTINE_NAME, Manifest, Utterance, Word
from sovits.data.quality.quality import Quality, Reason
from sovits.errors import SovitsError
from sovits.reporting.set_page import SPEAKERS_ON_ONE_PAGE, page_name, write_set_page

RATE = 16000
AWKWARD = "王小明 <b>'no\" #2 50%?&=.wav"
NOISY = Reason("snr", "4.0 dB of speech over noise, gate.snr_min=12: record in a quieter place")
FAR = Reason("voice_distance", "0.400 from the voice of the speaker's other clips, gate.voice_distance_max=0.3: check who speaks")


class Found(HTMLParser):
    """What a page holds: its addresses, ids, tags, and the text of table rows and clips."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.addresses: list[str] = []
        self.ids: set[str] = set()
        self.tags: dict[str, int] = defaultdict(int)
        self.texts: dict[str, list[str]] = {"tr": [], "article": []}
        self.attributes: list[tuple[str, dict[str, str | None]]] = []
        self._open: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        values = dict(attrs)
        self.attributes.append((tag, values))
        self.addresses += [value for name in ("href", "src") if (value := values.get(name)) is not None]
        self.ids |= {values["id"]} if values.get("id") else set()
        if tag in self.texts:
            self._open.append(tag)
            self.texts[tag].append("")

    def handle_endtag(self, tag: str) -> None:
        if tag in self.texts:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        for tag in self._open:
            self.texts[tag][-1] += data + " "

    def dead_links(self) -> list[str]:
        """Addresses that lead to no file and no place on the page."""
        inside = [address for address in self.addresses if address.startswith("#") and address[1:] not in self.ids]
        outside = [address for address in self.addresses if not address.startswith("#")]
        return inside + [address for address in outside if not (self.path.parent / unquote(address)).is_file()]


def clip(root: Path, speaker: str, name: str, hertz: float = 440.0, seconds: float = 1.5, **changes: object) -> Utterance:
    """An utterance whose audio, a tone of amplitude 0.5, is written below ``root``."""
    time = np.arange(int(RATE * seconds)) / RATE
    path = f"audio/{speaker}/{name}.wav"
    write_waveform(root / path, 0.5 * np.sin(2 * np.pi * hertz * time), RATE)
    content = hashlib.sha256((root / path).read_bytes()).hexdigest()
    spoken = {
        "text": "one & two",
        "start": 3.0,
        "end": 3.0 + seconds,
        "duration": seconds,
        "split": "train",
        "recording": f"{speaker}/all.wav",
    }
    utterance = Utterance(f"{speaker}/{name}", path, speaker, "en", **spoken, transcript="whisper:tiny", content_hash=content)
    return replace(utterance, **changes)


def save(root: Path, kept: list[Utterance], quarantined: list[Utterance], **report: object) -> Path:
    """Writes the set's three files; ``report`` replaces entries of the report."""
    Manifest(RATE, tuple(kept)).save(root)
    Manifest(RATE, tuple(quarantined)).save(root, QUARANTINE_NAME)
    speakers = sorted({utterance.speaker for utterance in kept + quarantined})
    rows = [
        {"speaker": speaker, "enough": speaker == "ann", "advice": [] if speaker == "ann" else ["Record 60 s more."]}
        for speaker in speakers
    ]
    limits = {"snr": {"min": 12.0}, "voice_distance": {"max": 0.3}}
    (root / "report.json").write_text(
        json.dumps({"limits": limits, "speakers": rows, "left_out": [], "notes": [], **report}), encoding="utf-8"
    )
    return root


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """Two speakers; three kept clips and two quarantined ones."""
    root = tmp_path / "a set #1"
    good, bad = Quality(snr=30.0, voice_distance=0.1), Quality(snr=4.0, voice_distance=0.4)
    kept = [clip(root, "ann", f"a{i}", 300.0 + i, quality=good) for i in range(2)] + [clip(root, AWKWARD, "c 1", quality=good)]
    quarantined = [
        clip(root, "ann", "b1", 500.0, quality=replace(good, snr=4.0), reasons=(NOISY,)),
        clip(root, "ann", "b2", 510.0, quality=bad, reasons=(NOISY, FAR), text="both"),
    ]
    left_out = [{"recording": "bob/<empty>.wav", "speaker": "bob", "reason": "no samples; record it again", "start": None, "end": None}]
    return save(root, kept, quarantined, left_out=left_out, notes=[{"recording": "ann/all.wav", "speaker": "ann", "note": "an offset"}])


def files(root: Path) -> dict[str, tuple[bytes, int]]:
    """Content and time of writing of the page's files."""
    found = [root / "index.html", *(root / "page").iterdir()]
    return {path.relative_to(root).as_posix(): (path.read_bytes(), path.stat().st_mtime_ns) for path in found}


def test_every_link_leads_somewhere_whatever_the_names(small: Path) -> None:
    page = Found(write_set_page(small, workers=1))
    assert page.dead_links() == []
    assert page.tags["audio"] == page.tags["img"] == page.tags["article"] == 5
    assert unquote(next(address for address in page.addresses if "c%201" in address)) == f"audio/{AWKWARD}/c 1.wav"
    assert "http" not in page.path.read_text(encoding="utf-8")


def test_names_and_texts_stay_texts(small: Path) -> None:
    page = Found(write_set_page(small, workers=1))
    assert any(AWKWARD in row for row in page.texts["tr"])
    assert any("bob/<empty>.wav" in row for row in page.texts["tr"])
    assert page.tags["empty"] == 0
    assert all("one & two" in text or "both" in text for text in page.texts["article"])
    alts = [values["alt"] for tag, values in page.attributes if tag == "img"]
    assert f"Mel spectrogram of {AWKWARD}/c 1: one & two" in alts


def test_speakers_with_minutes_verdict_and_advice(small: Path) -> None:
    rows = [" ".join(text.split()) for text in Found(write_set_page(small, workers=1)).texts["tr"]]
    assert "ann 3.0 s 2 2 / 0 / 0 en 2 3.0 s 0 yes" in rows
    assert f"{AWKWARD} 1.5 s 1 1 / 0 / 0 en 0 0.0 s 0 no Record 60 s more." in rows
    assert "bob 0.0 s 0 0 / 0 / 0 0 0.0 s 1 no" in rows


def test_what_each_reason_costs(small: Path) -> None:
    rows = [" ".join(text.split()) for text in Found(write_set_page(small, workers=1)).texts["tr"]]
    assert "SNR min 12 dB 2 1 3.0 s 40.0 %" in rows
    assert "voice distance max 0.30 1 0 1.5 s 20.0 %" in rows


def test_quarantined_clips_show_reasons_and_the_figures_that_failed(small: Path) -> None:
    page = write_set_page(small, workers=1).read_text(encoding="utf-8")
    both, one = (page.index(f"<b>ann/{name}</b>") for name in ("b2", "b1"))
    assert both < one, "the clip with most reasons comes first"
    card = page[page.rindex("<article", 0, both) : both]
    assert "4.0 dB of speech over noise" in card
    assert "check who speaks" in card
    assert "<span class='bad'>SNR <b>4 dB</b></span>" in card
    assert "<span>duration <b>1.5 s</b></span>" in card


def test_more_clips_than_shown_are_counted(small: Path) -> None:
    page = Found(write_set_page(small, clips_per_speaker=1, quarantined_per_speaker=1, workers=1))
    assert page.tags["article"] == 3
    text = page.path.read_text(encoding="utf-8")
    assert "the first, 1 of 2 clips; 1 more are in <a href='manifest.jsonl'>" in text
    assert "those with most reasons, 1 of 2 clips; 1 more are in <a href='quarantine.jsonl'>" in text
    assert len(list((small / "page").glob("*.png"))) == 3
    assert Found(write_set_page(small, clips_per_speaker=None, quarantined_per_speaker=None, workers=1)).tags["article"] == 5


def test_a_second_run_touches_nothing(small: Path) -> None:
    write_set_page(small, workers=1)
    before = files(small)
    write_set_page(small, workers=2)
    assert files(small) == before


def test_pictures_follow_the_content(small: Path) -> None:
    write_set_page(small, workers=1)
    before = files(small)
    kept, quarantined = Manifest.load(small).utterances, Manifest.load(small, QUARANTINE_NAME).utterances
    changed = clip(small, "ann", "a0", 2000.0, quality=kept[0].quality)
    save(small, [changed, *kept[1:]], list(quarantined))
    assert Found(write_set_page(small, workers=1)).dead_links() == []
    after = files(small)
    old, new = (name for name, utterance in ((f"page/{u.content_hash[:16]}", u) for u in (kept[0], changed)))
    assert {name[: len(old)] for name in before.keys() - after.keys()} == {old}
    assert {name[: len(new)] for name in after.keys() - before.keys()} == {new}
    assert all(after[name] == before[name] for name in before.keys() & after.keys() if name.endswith(".png"))


def test_a_damaged_picture_is_drawn_again_and_leftovers_go(small: Path) -> None:
    write_set_page(small, workers=1)
    before = files(small)
    picture = next((small / "page").glob("*.png"))
    picture.write_bytes(b"half a picture")
    (small / "page" / "killed.partial").write_bytes(b"x")
    write_set_page(small, workers=1)
    assert {name: content for name, (content, _) in files(small).items()} == {name: content for name, (content, _) in before.items()}


@pytest.mark.parametrize("hertz", [250.0, 4000.0])
def test_the_picture_has_low_tones_at_the_bottom_and_a_hundred_columns_a_second(tmp_path: Path, hertz: float) -> None:
    utterance = clip(tmp_path, "ann", "tone", hertz, seconds=2.0)
    page = write_set_page(save(tmp_path, [utterance], []), workers=1)
    picture = np.asarray(Image.open(next((tmp_path / "page").glob("*.png"))).convert("L"), dtype=float)
    assert picture.shape == (80, 200)
    mels = 2595 * np.log10(1 + np.array([hertz, RATE / 2]) / 700)
    band = mels[0] / mels[1] * 81 - 1
    assert abs((79 - picture[:, 100].argmax()) - band) <= 1
    assert "level -9.0 dBFS, peak -6.0 dBFS" in page.read_text(encoding="utf-8")


def test_words_stand_where_they_are_said(tmp_path: Path) -> None:
    words = (Word("one", 0.0, 0.5, 0.9), Word("<two>", 0.5, 1.0, 0.2), Word("three", 1.2, 2.0, 1.0))
    page = write_set_page(save(tmp_path, [clip(tmp_path, "ann", "a", seconds=2.0, words=words)], []), workers=1).read_text(encoding="utf-8")
    assert "data-start='0' style='left:0.00%;width:60.00%' title='one: 0.00–0.50 s, confidence 0.90'>one</span>" in page
    assert "<span class='unsure' data-start='0.5' style='left:25.00%;width:75.00%'" in page
    assert "&lt;two&gt;</span>" in page
    assert "style='left:60.00%;width:40.00%'" in page


def test_many_speakers_have_pages_of_their_own(tmp_path: Path) -> None:
    names = [f"s{index}" for index in range(SPEAKERS_ON_ONE_PAGE)] + [AWKWARD]
    clips = [clip(tmp_path, name, "a", 200.0 + 10 * index) for index, name in enumerate(names)]
    index = Found(write_set_page(save(tmp_path, clips, []), workers=1))
    assert index.dead_links() == []
    assert index.tags["article"] == 0
    for name in names:
        page = Found(tmp_path / "page" / page_name(name))
        assert page.dead_links() == []
        assert page.tags["article"] == 1
        assert "../index.html" in page.addresses
    save(tmp_path, clips[:2], [])
    assert Found(write_set_page(tmp_path, workers=1)).tags["article"] == 2
    assert sorted(path.suffix for path in (tmp_path / "page").iterdir()) == [".png", ".png"]


def test_the_file_of_a_name_that_no_file_can_have() -> None:
    assert page_name("ann") == "ann.html"
    odd = {page_name("a/b"), page_name("a/c"), page_name("王" * 100)}
    assert len(odd) == 3
    assert all("/" not in name and len(name.encode()) < 100 for name in odd)


def test_a_clip_without_its_audio_is_named_and_the_rest_goes_on(small: Path) -> None:
    audio = small / Manifest.load(small).utterances[0].path
    content = audio.read_bytes()
    audio.unlink()
    page = write_set_page(small, workers=1)
    assert "There is no picture: " in page.read_text(encoding="utf-8")
    assert str(small) not in page.read_text(encoding="utf-8")
    assert Found(page).tags["img"] == 4
    audio.write_bytes(content)
    assert Found(write_set_page(small, workers=1)).tags["img"] == 5


def test_an_empty_set_has_a_page(tmp_path: Path) -> None:
    page = write_set_page(save(tmp_path, [], []), workers=1)
    assert "0 of 0 speakers" in page.read_text(encoding="utf-8")


def test_figures_that_are_not_numbers_are_left_out(tmp_path: Path) -> None:
    clips = [clip(tmp_path, "ann", "a", quality=Quality(snr=float("nan"))), clip(tmp_path, "ann", "b", 450.0, quality=Quality(snr=20.0))]
    page = write_set_page(save(tmp_path, clips, []), workers=1).read_text(encoding="utf-8")
    assert "SNR: 1 kept and 0 quarantined clips" in page
    assert "SNR <b>20 dB</b>" in page
    assert "SNR <b>nan" not in page
    assert "MOS" not in page.split("<body>")[1].split("<script>")[0]


@pytest.mark.parametrize("text", ["{", '{"limits": {}, "speakers": [{"speaker": "ann"}], "left_out": [], "notes": []}'])
def test_a_report_of_another_kind_is_refused(small: Path, text: str) -> None:
    (small / "report.json").write_text(text, encoding="utf-8")
    with pytest.raises(SovitsError, match=r"report\.json .*sovits prepare"):
        write_set_page(small, workers=1)


def test_a_missing_report_is_named(small: Path) -> None:
    (small / "report.json").unlink()
    with pytest.raises(SovitsError, match=r"report\.json is missing"):
        write_set_page(small, workers=1)


CHECK = """
<script>
(async () => {
  const players = [...document.querySelectorAll("audio")], pictures = [...document.querySelectorAll("img")];
  for (const details of document.querySelectorAll("details")) details.open = true;
  for (const picture of pictures) picture.loading = "eager";
  const shown = await Promise.all(pictures.map(picture => picture.decode().then(() => picture.naturalWidth, () => 0)));
  const heard = await Promise.all(players.map(player => new Promise(done => {
    player.onloadedmetadata = () => done(Math.round(100 * player.duration));
    player.onerror = () => done(0);
    player.preload = "metadata";
    player.load();
  })));
  const input = document.querySelector(".filter input");
  input.value = "check who";
  input.dispatchEvent(new Event("input"));
  const left = document.querySelectorAll(".clip:not([hidden])").length;
  document.querySelector("th button").click();
  const column = () => [...document.querySelectorAll(".speakers tbody tr")].map(row => row.cells[1].dataset.value).join(" ");
  document.querySelectorAll(".speakers th button")[1].click();
  const result = document.createElement("p");
  result.id = "result";
  result.textContent = JSON.stringify({shown, heard, left, sorted: column()});
  document.body.append(result);
})();
</script>
"""


@pytest.mark.slow
def test_a_browser_shows_and_plays_it_from_disk(small: Path) -> None:
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        pytest.skip("there is no chromium here to open the page with")
    page = write_set_page(small, workers=1)
    checked = small / "checked.html"
    checked.write_text(page.read_text(encoding="utf-8").replace("</body>", f"{CHECK}</body>"), encoding="utf-8")
    quiet = "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-component-update --disable-sync"
    options = [*quiet.split(), f"--user-data-dir={small.parent / 'browser'}", "--virtual-time-budget=20000", "--dump-dom"]
    dump = subprocess.run([browser, *options, checked.as_uri()], capture_output=True, text=True, timeout=120, check=True).stdout
    result = json.loads(dump.split('<p id="result">')[1].split("</p>")[0])
    assert result["shown"] == [150] * 5
    assert result["heard"] == [150] * 5
    assert result["left"] == 1
    assert result["sorted"] == "0.00 1.50 3.00"
