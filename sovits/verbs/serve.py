"""``sovits serve``: a checkpoint and a bank of voices -> a service that speaks."""

from __future__ import annotations

import contextlib
import logging
from pathlib import Path

from hydra.utils import instantiate
from omegaconf import DictConfig

from sovits.data.preparation.vad import VoiceActivityDetector
from sovits.data.quality.signal import SignalJudge
from sovits.errors import SovitsError
from sovits.hearing import EnglishRecognizer
from sovits.serving.access import ApiKeys, RateLimit, new_key, require_keys
from sovits.serving.batcher import Batcher
from sovits.serving.enrolment import Enroller
from sovits.serving.service import Service, threads_of_a_batch
from sovits.serving.shelf import VoiceShelf
from sovits.serving.speaking import Speaking, Spoken
from sovits.serving.watching import Watch
from sovits.voice import Request, Voice
from sovits.voice.self_check import SelfCheck

log = logging.getLogger(__name__)


def serve(config: DictConfig) -> None:
    """Serves until it is told to stop, and ends what it accepted; or makes an API key.

    Raises:
        SovitsError: a key that is missing or out of range, an unusable checkpoint, or an address that needs API keys.
    """
    if config.new_key is not None:
        if config.api_keys is None:
            raise SovitsError(f"new_key={config.new_key} needs a file for its hash; add api_keys=FILE.")
        print(new_key(str(config.new_key), config.api_keys))
        log.info("The line above is the key of %s; it is nowhere else, %s keeps its hash.", config.new_key, config.api_keys)
        return
    import uvicorn

    from sovits.serving.app import create_app
    from sovits.serving.connections import patient

    service = build_service(config)
    app = create_app(service)
    log.info("Open http://%s:%s in a browser, or see /docs", config.host, config.port)
    uvicorn.run(
        app,
        host=config.host,
        port=config.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=config.shutdown_seconds,
        http=patient(service.limits.head_seconds, service.limits.read_seconds),  # type: ignore[arg-type]
    )


def build_service(config: DictConfig) -> Service:
    """Everything of ``conf/serve.yaml``, loaded and ready to start.

    Raises:
        SovitsError: see :func:`serve`.
    """
    if config.checkpoint is None:
        raise SovitsError("checkpoint is not given; for example: sovits serve checkpoint=outputs/train/.../checkpoints/last.ckpt")
    keys = None if config.api_keys is None else ApiKeys.load(config.api_keys)
    require_keys(config.host, keys)
    if keys is None and config.requests_per_minute is not None:
        raise SovitsError(
            f"requests_per_minute={config.requests_per_minute} counts those of each key, and there is none; add api_keys=FILE."
        )
    voice = Voice.load(config.checkpoint, device=config.device, threads=threads_of_a_batch(config.threads, config.batching.workers))
    # The dictionaries load now, and not while somebody waits; a front end that cannot read one of the languages says so when asked to.
    with contextlib.suppress(SovitsError):
        voice.front_end("Hello. 你好。", None)
    check = SelfCheck(EnglishRecognizer()) if config.self_check else None
    speaking = Speaking(voice, check, round(config.cache_megabytes * 1e6), config.frames_at_a_time if config.device == "cpu" else None)
    batcher: Batcher[Request, Spoken] = Batcher(speaking, length=speaking.length, **config.batching)
    bank = None if config.bank is None else Path(config.bank)
    shelf = VoiceShelf({name: voice.bank[name] for name in voice.speakers}, bank, voice.embedding_size)
    log_file = None if config.log.file is None else Path(config.log.file)
    return Service(
        speaking=speaking,
        shelf=shelf,
        batcher=batcher,
        watch=Watch(lambda: batcher.waiting, lambda: len(shelf.names), log_file, config.log.text),
        enrol=Enroller(voice, instantiate(config.gate), SignalJudge(), VoiceActivityDetector(), instantiate(config.enrolment)),
        keys=keys,
        rate=RateLimit(config.requests_per_minute),
        limits=instantiate(config.limits),
    )
