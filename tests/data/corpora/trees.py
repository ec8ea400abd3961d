"""Corpora in miniature: true layouts and file names, empty audio. Nothing that lists a corpus opens its audio."""

from __future__ import annotations

from pathlib import Path

from sovits.data.corpora.recording import Recording


def lay(root: Path, *names: str) -> Path:
    """Empty files of these names."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())
    return path


def by_name(recordings: list[Recording]) -> dict[str, Recording]:
    found = {recording.name: recording for recording in recordings}
    assert len(found) == len(recordings)
    return found


def problem(recordings: list[Recording], name: str) -> str:
    return by_name(recordings)[name].problem or ""


def folders(root: Path) -> Path:
    lay(root, "ann/1.wav", "bob/2.flac")
    write(root / "ann/1.txt", "hello")
    return root


def ljspeech(root: Path) -> Path:
    """Three clips and the table, whose fields are not quoted: a quotation mark is a letter like any other."""
    root = lay(root / "LJSpeech-1.1", *(f"wavs/LJ001-000{number}.wav" for number in (1, 2, 3)), "README")
    write(
        root / "metadata.csv",
        'LJ001-0001|in 1455, the "Bible" of 42 lines,|in fourteen fifty-five, the "Bible" of forty-two lines,\n'
        'LJ001-0002|"Aldus said|"Aldus said\n'
        "LJ001-0003|Müller’s types — £5|Müller’s types — five pounds\n",
    )
    return root


def vctk(root: Path) -> Path:
    """0.92: a speaker with both microphones, two without the second, one of them without texts, and s5, who is no p."""
    root = root / "VCTK-Corpus-0.92"
    audio = root / "wav48_silence_trimmed"
    for take in ("p225/p225_001", "p225/p225_002", "s5/s5_001", "p280/p280_001", "p315/p315_001"):
        lay(audio, *(f"{take}_mic{microphone}.flac" for microphone in (1, 2) if microphone == 1 or take[:4] not in ("p280", "p315")))
        if "p315" not in take:
            write(root / "txt" / f"{take}.txt", "Please call Stella.\n" if take.endswith("1") else "Ask her to bring these things.\n")
    lay(root, "speaker-info.txt", "wav48_silence_trimmed/log.txt")
    return root


def old_vctk(root: Path) -> Path:
    root = lay(root / "VCTK-Corpus", "wav48/p225/p225_001.wav", "wav48/p226/p226_001.wav", "speaker-info.txt", "NOTE")
    write(root / "txt/p225/p225_001.txt", "Please call Stella.\n")
    write(root / "txt/p226/p226_001.txt", "Please call Stella.\n")
    return root


def libritts(root: Path, name: str = "LibriTTS_R") -> Path:
    root = root / name
    for utterance in (
        "train-clean-100/19/198/19_198_000000_000000",
        "train-clean-100/26/495/26_495_000004_000001",
        "dev-clean/84/121123/84_1",
    ):
        lay(root, f"{utterance}.wav")
        write(root / f"{utterance}.normalized.txt", "Mister Smith paid five pounds.")
        write(root / f"{utterance}.original.txt", "Mr. Smith paid £5.")
    lay(root, "speakers.tsv", "SPEAKERS.txt", "train-clean-100/19/198/19_198.trans.tsv", "train-clean-100/19/198/19_198.book.tsv")
    return root


def aishell3(root: Path) -> Path:
    """SSB0005 is in both parts, as most speakers are."""
    root = lay(root / "data_aishell3", "spk-info.txt", "phone_set.txt", "ReadMe.txt", "train/label_train-set.txt")
    lay(root, "train/wav/SSB0005/SSB00050001.wav", "train/wav/SSB0005/SSB00050002.wav", "train/wav/SSB0009/SSB00090001.wav")
    lay(root, "test/wav/SSB0005/SSB00050353.wav")
    write(
        root / "train/content.txt",
        "SSB00050001.wav\t广 guang3 州 zhou1 女 nv3 大 da4 学 xue2 生 sheng1\n"
        "SSB00050002.wav\t尊 zhun1 重 zhong4 科 ke1 学 xue2 规 gui1 律 lv4\n"
        "SSB00090001.wav\t一 yi4 朵 duo3 花儿 huar1\n",
    )
    write(root / "test/content.txt", "SSB00050353.wav\t你 ni3 好 hao3\n")
    return root


def metadata(root: Path) -> Path:
    lay(root, "ann/1.wav", "wavs/2.wav", "unlisted/3.wav")
    write(root / "metadata.csv", 'path,text,speaker,language\nann/1.wav,"hello, there",,\nwavs/2.wav,你好,mei,zh\n')
    return root


def annotation_list(root: Path) -> Path:
    lay(root, "slicer_opt/vocal_mei.wav_0000000000_0000123456.wav", "slicer_opt/b.wav", "unlisted.wav")
    write(
        root / "mei.list",
        "output/slicer_opt/vocal_mei.wav_0000000000_0000123456.wav|mei|ZH|你好，世界。\n"
        "D:\\GPT-SoVITS\\output\\slicer_opt\\b.wav|mei|en|Hello there.\n",
    )
    return root
