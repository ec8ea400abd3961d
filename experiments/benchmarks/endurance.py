"""How `sovits serve` stands thousands of requests, half of them bad: what it answers, and whether memory, files and threads stay flat.

    python experiments/benchmarks/endurance.py --checkpoint last.ckpt                    10,000 requests
    python experiments/benchmarks/endurance.py --checkpoint last.ckpt --requests 1000 --output folder

A service of its own process on this machine's loopback address, with an empty bank. Every good answer is compared with what the checkpoint
says alone; every bad request must get a status that was meant. It ends with 1 where one did not, where the service died, or where it grew.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import httpx
from bad_requests import BAD, Target, kept_busy
from good_requests import References, enrol_and_speak, speak

from sovits.voice import Voice

MEANT = 503
"""The one answer to a good request that is no fault: the queue is full for a moment."""
PATIENCE = 60.0
"""s that a request may take before it counts as lost."""


@dataclass
class State:
    """What the process holds."""

    requests: int
    megabytes: float
    files: int
    threads: int


@dataclass
class Tally:
    """What came of it."""

    answers: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    good: int = 0
    bad: int = 0
    enrolled: int = 0
    sent_away: int = 0
    """Good requests that got a 503 and were sent again."""
    states: list[State] = field(default_factory=list)
    seconds: float = 0.0


def main() -> int:
    arguments = parsed()
    with tempfile.TemporaryDirectory() as name:
        tally = asyncio.run(endured(arguments, Path(name)))
    table = report(tally, arguments)
    print(table)
    if arguments.output is not None:
        arguments.output.mkdir(parents=True, exist_ok=True)
        (arguments.output / "endurance.md").write_text(table, encoding="utf-8")
        (arguments.output / "endurance.json").write_text(
            json.dumps(vars(tally) | {"states": [asdict(one) for one in tally.states]}, indent=1, ensure_ascii=False), encoding="utf-8"
        )
    return 1 if tally.faults else 0


async def endured(arguments: argparse.Namespace, folder: Path) -> Tally:
    """Everything: the service, those who ask, and what is seen of it."""
    voice = Voice.load(arguments.checkpoint)
    references, tally = References(voice, random.Random(arguments.seed)), Tally()
    async with served(arguments.checkpoint, folder) as (address, process), client(address) as http:
        target = Target(http, *address.removeprefix("http://").split(":"), voice.speakers[0])
        asker = Asker(target, references, tally, folder / "bank")
        busy = asyncio.create_task(kept_busy(target))
        began, numbers = time.monotonic(), iter(range(arguments.requests))
        seen_at = {round(arguments.requests * tenth / 10) for tenth in range(1, 10)}

        async def worker(drawn: random.Random) -> None:
            for number in numbers:
                if process.poll() is not None:
                    return
                await asker.ask(number, drawn)
                if number in seen_at:
                    tally.states.append(state(process.pid, number))

        await asyncio.gather(*(worker(random.Random(f"{arguments.seed} {number}")) for number in range(arguments.clients)))
        busy.cancel()
        await asyncio.gather(busy, return_exceptions=True)
        tally.seconds = time.monotonic() - began
        # Connections that were kept alive end.
        await asyncio.sleep(7)
        if process.poll() is not None:
            tally.faults.append(f"the service ended with {process.returncode}")
        else:
            tally.states.append(state(process.pid, arguments.requests))
            tally.faults += log_faults(folder) + grown(tally.states, arguments)
    if leftovers := sorted(path.name for path in (folder / "bank").iterdir() if path.name != ".lock"):
        tally.faults.append(f"the bank still holds {leftovers[:10]}")
    return tally


@dataclass(frozen=True)
class Asker:
    """Asks one request at a time, and counts what came of it."""

    target: Target
    references: References
    tally: Tally
    bank: Path

    async def ask(self, number: int, drawn: random.Random) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                if number % 100 == 50:
                    name = f"v{number}"
                    self.tally.sent_away += await enrol_and_speak(self.target.http, self.references, self.bank, name, self.tally.answers)
                    self.tally.enrolled += 1
                elif drawn.random() < 0.5:
                    self.tally.sent_away += await speak(self.target.http, self.references.any(drawn), self.tally.answers)
                    self.tally.good += 1
                else:
                    await self._ask_badly(number, drawn)
        except Exception as error:  # whatever goes wrong is what is counted here
            self.tally.faults.append(f"request {number}: {type(error).__name__}: {error}")

    async def _ask_badly(self, number: int, drawn: random.Random) -> None:
        kind = drawn.choice(list(BAD))
        told = await BAD[kind].ask(self.target, drawn)
        self.tally.answers[f"{kind}: {told or 'none'}"] += 1
        self.tally.bad += 1
        if told not in BAD[kind].meant:
            self.tally.faults.append(f"request {number}, {kind}: {told} was not meant")


def grown(states: list[State], arguments: argparse.Namespace) -> list[str]:
    """What is more at the end than after warming up."""
    warm = next(one for one in states if one.requests >= arguments.requests * arguments.warm_up)
    last = states[-1]
    faults = []
    if last.megabytes > warm.megabytes + arguments.most_growth:
        faults.append(f"memory grew from {warm.megabytes:.0f} to {last.megabytes:.0f} MB")
    faults += [f"{name} grew from {getattr(warm, name)} to {getattr(last, name)}" for name in ("files", "threads")
               if getattr(last, name) > getattr(warm, name) + 8]  # fmt: skip
    return faults


def log_faults(folder: Path) -> list[str]:
    """What the service's own log tells of errors inside."""
    (path,) = (folder / "outputs").rglob("requests.jsonl")
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [f"logged: {row['error']}" for row in rows if row["status"] >= 500 and row["status"] != MEANT]


def state(pid: int, requests: int) -> State:
    """As the kernel tells of it."""
    told = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines())
    return State(requests, int(told["VmRSS"].split()[0]) / 1024, len(list(Path(f"/proc/{pid}/fd").iterdir())), int(told["Threads"]))


@asynccontextmanager
async def client(address: str):  # type: ignore[no-untyped-def]
    async with httpx.AsyncClient(base_url=address, timeout=PATIENCE, limits=httpx.Limits(max_connections=64)) as http:
        yield http


@asynccontextmanager
async def served(checkpoint: Path, folder: Path):  # type: ignore[no-untyped-def]
    """A service, its address and its process; nothing is remembered, so that every good request is spoken."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    given = [f"checkpoint={checkpoint.resolve()}", f"port={port}", f"paths.outputs={folder / 'outputs'}", f"bank={folder / 'bank'}"]
    settings = ["gate=off", "cache_megabytes=0", "limits.head_seconds=5", "limits.body_seconds=5"]
    with (folder / "said.txt").open("w") as said:
        process = subprocess.Popen([sys.executable, "-m", "sovits.cli", "serve", *given, *settings], cwd=folder, stdout=said, stderr=said)
        try:
            async with httpx.AsyncClient() as http:
                while True:
                    if process.poll() is not None:
                        raise SystemExit((folder / "said.txt").read_text())
                    try:
                        if (await http.get(f"http://127.0.0.1:{port}/ready")).status_code == 200:
                            break
                    except httpx.TransportError:
                        await asyncio.sleep(0.2)
            yield f"http://127.0.0.1:{port}", process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def report(tally: Tally, arguments: argparse.Namespace) -> str:
    """Tables in Markdown."""
    asked = tally.good + tally.bad + tally.enrolled
    lines = [
        f"{asked} requests of {arguments.clients} clients in {tally.seconds:.0f} s: {tally.good} good, {tally.bad} bad, "
        f"{tally.enrolled} voices enrolled, spoken with and deleted; good ones were sent away and came again "
        f"{tally.sent_away} times. {len(tally.faults)} faults.",
        "",
        "| after requests | memory, MB | open files | threads |",
        "| --- | --- | --- | --- |",
        *(f"| {one.requests} | {one.megabytes:.1f} | {one.files} | {one.threads} |" for one in tally.states),
        "",
        "| request: answer | times |",
        "| --- | --- |",
        *(f"| {name} | {times} |" for name, times in sorted(tally.answers.items())),
        *(f"\nFAULT {fault}" for fault in tally.faults[:50]),
    ]
    return "\n".join(lines) + "\n"


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--checkpoint", type=Path, required=True, help="of `sovits train`; a small one, as every good request is spoken twice"
    )
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--clients", type=int, default=8, help="that ask at a time")
    parser.add_argument("--warm-up", type=float, default=0.2, help="share of the requests after which the process may not grow")
    parser.add_argument("--most-growth", type=float, default=32.0, help="MB of memory after that")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, help="folder for the tables (default: printed only)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
