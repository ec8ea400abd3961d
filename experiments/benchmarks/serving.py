"""`sovits serve` under load: many clients at a time beside one at a time, and beside a service that does not batch.

    python experiments/benchmarks/serving.py --checkpoint last.ckpt --output outputs/serving      # 32 clients, about five minutes
    python experiments/benchmarks/serving.py --output outputs/serving                             # an untrained model=small
    python experiments/benchmarks/serving.py --output outputs/serving --compare "batching.workers=1 threads=2"

Services of their own processes on this machine's loopback address, which remember nothing (`cache_megabytes=0`). In each round every way
of asking takes its turn with the same requests: sentences of mixed length, voices and seeds, new ones in each round. Each answer is
compared with what the checkpoint says to its request alone, in the voice asked for and in all others. It ends with 1 where one was not
answered or came in a wrong voice.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from asking import Asked, Load, Reply, ask_all, ask_each, sentences, streaming
from running_service import RunningService, running
from spoken_alone import Heard, SpeakerEar, SpokenAlone, Verdict, heard_in
from untrained import untrained_checkpoint

from sovits.voice import Voice

ALONE = ["batching.max_batch=1", "batching.max_batch=1 batching.workers=1"]
"""What it is compared with: no batches, and one request at a time that has all cores."""
STREAMING = 8
"""One client in so many streams where some do."""


@dataclass
class Run:
    """One way of asking, and what came of it in all rounds."""

    name: str
    service: RunningService
    ask: Callable[[list[Asked]], Load]
    per_second: list[float] = field(default_factory=list)
    """Requests, in each round."""
    cpu: list[float] = field(default_factory=list)
    """Seconds that the service's process works for a request, in each round."""
    real_time: list[float] = field(default_factory=list)
    """Seconds of the machine for a second of speech, in each round."""
    latency: list[float] = field(default_factory=list)
    """Seconds of each answer."""
    first_byte: list[float] = field(default_factory=list)
    """Seconds, of those that were streamed."""
    batches: Counter[int] = field(default_factory=Counter)
    """How many requests were spoken in a batch of each size."""
    waited: list[float] = field(default_factory=list)
    computed: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    verdict: Verdict = field(default_factory=Verdict)

    def once(self, asked: list[Asked], alone: SpokenAlone) -> list[Reply]:
        """Asks, counts, and returns the answers."""
        worked = self.service.cpu_seconds()
        load = self.ask(asked)
        self.cpu.append((self.service.cpu_seconds() - worked) / len(load.replies))
        good = [reply for reply in load.replies if reply.error is None]
        self.errors += [f"{reply.asked}: {reply.error}" for reply in load.replies if reply.error is not None]
        self.latency += [reply.seconds for reply in good]
        self.first_byte += [reply.first_byte for reply in good if reply.asked.stream]
        self.per_second.append(len(good) / load.seconds)
        self.real_time.append(load.seconds * alone.voice.sample_rate / max(1, sum(len(heard_in(reply)) for reply in good)))
        rows = self.service.logged([reply.request_id for reply in good if not reply.asked.stream])
        self.batches.update(row["batch"] for row in rows)
        self.waited += [row["queue_seconds"] for row in rows]
        self.computed += [row["compute_seconds"] for row in rows]
        return good


def main() -> int:
    arguments = parsed()
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        checkpoint = arguments.checkpoint or untrained_checkpoint(arguments.model, folder / "untrained.ckpt")
        alone = SpokenAlone(Voice.load(checkpoint, threads=1))
        services = []
        for number, settings in enumerate(["", *arguments.compare]):
            more = [*arguments.settings.split(), *settings.split(), f"limits.streams={2 * arguments.clients}"]
            own = folder / str(number)
            services.append(stack.enter_context(running(checkpoint, own, settings, *more)))
        runs = runs_of(services, arguments)
        heard = Heard()
        measure(runs, alone, arguments, heard)
        for service in services:
            service.remember_memory()
    tables = report(runs, services, heard, arguments)
    print(tables)
    if arguments.output is not None:
        write(arguments.output, tables, runs)
    return 1 if any(run.errors or run.verdict.wrong or run.verdict.mistaken for run in runs) else 0


def runs_of(services: list[RunningService], arguments: argparse.Namespace) -> list[Run]:
    """Every service with all clients and with one, the first also with streams."""
    clients, runs = arguments.clients, []
    for service in services:
        for number in (clients, 1):
            name = f"{number} client{'s' if number > 1 else ''}" + (f", {service.settings}" if service.settings else "")
            runs.append(Run(name, service, lambda asked, at=service.port, by=number: ask_all(at, asked, by)))
    first = services[0].port
    some = max(1, clients // STREAMING)

    def mixed(asked: list[Asked]) -> Load:
        share = len(asked) // STREAMING
        return ask_each(first, [streaming(asked[:share]), asked[share:]], [some, max(1, clients - some)])

    runs.append(Run(f"{clients} clients, {some} of them streaming", services[0], mixed))
    runs.append(Run("1 client, streaming", services[0], lambda asked: ask_all(first, streaming(asked), 1)))
    return runs


def measure(runs: list[Run], alone: SpokenAlone, arguments: argparse.Namespace, heard: Heard) -> None:
    """All runs in turn in each round, the order turned round every time; answers are judged between rounds."""
    drawn = random.Random(arguments.seed)
    warm_up = sentences(drawn, 2 * arguments.clients, alone.voice.speakers)
    ear = SpeakerEar(alone, warm_up)
    for run in runs:
        run.ask(warm_up)
        run.service.remember_memory()
    for number in range(arguments.rounds):
        asked = sentences(drawn, arguments.requests, alone.voice.speakers)
        answers = {run.name: run.once(asked, alone) for run in (runs if number % 2 else runs[::-1])}
        for run in runs:
            run.verdict.add(alone.verified(answers[run.name]))
        ear.listen(answers[runs[0].name][: arguments.listened], heard)
        alone.forget()


def report(runs: list[Run], services: list[RunningService], heard: Heard, arguments: argparse.Namespace) -> str:
    """Everything in Markdown."""
    tables = [table(rows(runs)), table(quality(runs)), table([memory(service) for service in services])]
    told = (
        f"By Resemblyzer's encoder {heard.right} of {heard.replies} answers are nearest to the voice asked for; of the checkpoint's own "
        f"audio of these requests {heard.alone_right} are, and {heard.same} answers are taken for the same voice as it."
    )
    faults = [f"FAULT {fault}" for run in runs for fault in (run.errors + run.verdict.faults)[:10]]
    return "\n\n".join([f"{arguments.rounds} rounds of {arguments.requests} requests", *tables, told, *faults]) + "\n"


def rows(runs: list[Run]) -> list[dict[str, str]]:
    """How fast."""
    first = runs[0]
    return [
        {
            "clients and service": run.name,
            "requests/s": spread(run.per_second, ".1f"),
            "the first row is faster by": spread([ours / own for ours, own in zip(first.per_second, run.per_second, strict=True)], ".2f"),
            "CPU ms a request": spread([1e3 * seconds for seconds in run.cpu], ".0f"),
            "s for a second of speech": spread(run.real_time, ".4f"),
            "p50 / p95 / p99, ms": percentiles(run.latency),
            "first byte p50 / p95 / p99, ms": percentiles(run.first_byte),
            "waited / computed, ms": f"{1e3 * mean(run.waited):.0f} / {1e3 * mean(run.computed):.0f}",
            "batch": batches(run.batches),
        }
        for run in runs
    ]


def quality(runs: list[Run]) -> list[dict[str, str]]:
    """How right."""
    return [
        {
            "clients and service": run.name,
            "requests": str(len(run.latency) + len(run.errors)),
            "errors": str(len(run.errors)),
            "not what is said alone": str(run.verdict.wrong),
            "furthest sample": f"{run.verdict.furthest:.1e}",
            "matches with another voice": f"{run.verdict.mistaken} of {run.verdict.others}",
            "voices that say the same alone": str(run.verdict.alike),
        }
        for run in runs
    ]


def memory(service: RunningService) -> dict[str, str]:
    """What a process held after warming up and at the end."""
    return {
        "service": service.settings or "as configured",
        "MB after warming up": f"{service.megabytes[0]:.0f}",
        "MB at the end": f"{service.megabytes[-1]:.0f}",
    }


def batches(sizes: Counter[int]) -> str:
    """The mean size of batches, and all that were seen."""
    whole = sum(count / size for size, count in sizes.items())
    return f"{sizes.total() / whole:.1f} ({min(sizes)}-{max(sizes)})" if sizes else ""


def spread(values: list[float], form: str) -> str:
    """Median and range."""
    return f"{np.median(values):{form}} ({min(values):{form}}-{max(values):{form}})"


def percentiles(seconds: list[float]) -> str:
    """In milliseconds."""
    return " / ".join(f"{1e3 * value:.0f}" for value in np.percentile(seconds, [50, 95, 99])) if seconds else ""


def mean(values: list[float]) -> float:
    """0 of none."""
    return float(np.mean(values)) if values else 0.0


def table(told: list[dict[str, str]]) -> str:
    """In Markdown."""
    lines = [list(told[0]), ["---"] * len(told[0]), *(list(row.values()) for row in told)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def write(folder: Path, tables: str, runs: list[Run]) -> None:
    """``serving.md``, ``serving.csv``, and in ``rounds.json`` every round and all sizes of batches."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "serving.md").write_text(tables, encoding="utf-8")
    told = {run.name: {"requests_per_second": run.per_second, "batches": dict(sorted(run.batches.items()))} for run in runs}
    (folder / "rounds.json").write_text(json.dumps(told, indent=1), encoding="utf-8")
    merged = [fast | right for fast, right in zip(rows(runs), quality(runs), strict=True)]
    with (folder / "serving.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(merged[0]))
        writer.writeheader()
        writer.writerows(merged)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, help="of `sovits train`, or a folder of `sovits export` (default: an untrained model)")
    parser.add_argument("--model", default="small", help="that is made where there is no checkpoint")
    parser.add_argument("--clients", type=int, default=32, help="that ask at a time")
    parser.add_argument("--requests", type=int, default=192, help="of each way of asking in a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--settings", default="", help="overrides of `sovits serve` for all services")
    parser.add_argument("--compare", action="append", help=f"overrides of a further service (may be repeated; default: {ALONE})")
    parser.add_argument("--listened", type=int, default=24, help="answers a round that the speaker encoder judges")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, help="folder for the tables (default: printed only)")
    arguments = parser.parse_args()
    arguments.compare = ALONE if arguments.compare is None else arguments.compare
    return arguments


if __name__ == "__main__":
    sys.exit(main())
