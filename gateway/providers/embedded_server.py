"""The child that runs the embedded model: llama.cpp's own HTTP server on a Unix socket.

`python -m gateway.providers.embedded_server` takes its settings as one JSON line on standard input,
prints `ready` when the model is loaded, and ends when standard input closes. The requests never pass
through Python here, so neither the interpreter's lock nor this file is on the path of a token.

Settings: model_path, socket_path (ends in .sock), api_key, slots (answers at once), context_tokens
(of each slot), threads.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from pathlib import Path
from typing import Any, BinaryIO

_BATCH_TOKENS = 64  # of a prompt, read in one go: between two, others get a token and a stop is seen
_CACHE_MIB = 64  # of earlier prompts kept aside; the engine's own default is 8 GiB
_ERRORS_ONLY = 1
_HTTP_THREADS = 16


def main() -> None:
    # The supervisor reads standard output: what native code prints there goes to standard error.
    supervisor = os.fdopen(os.dup(sys.stdout.fileno()), "wb", buffering=0)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    settings = json.loads(sys.stdin.buffer.readline())
    _serve(settings, supervisor)


def _serve(settings: dict[str, Any], supervisor: BinaryIO) -> None:
    import xllamacpp

    socket_path = Path(settings["socket_path"])
    socket_path.unlink(missing_ok=True)  # what a child that was killed has left
    os.umask(0o177)  # the socket is for its owner alone
    _server = xllamacpp.Server(_parameters(xllamacpp, settings))  # serves for as long as it is held
    supervisor.write(b"ready\n")
    while sys.stdin.buffer.read(4096):
        pass
    with contextlib.suppress(OSError):
        socket_path.unlink()
    os._exit(0)  # without the engine's own farewell, which waits for running answers, or for ever


def _parameters(xllamacpp: Any, settings: dict[str, Any]) -> Any:
    parameters = xllamacpp.CommonParams()
    parameters.model.path = settings["model_path"]
    parameters.hostnames = [settings["socket_path"]]
    parameters.api_keys = [settings["api_key"]]
    parameters.n_parallel = settings["slots"]
    parameters.n_ctx = settings["slots"] * settings["context_tokens"]
    parameters.kv_unified = False  # a long answer in one slot never takes another's room
    parameters.n_batch = parameters.n_ubatch = _BATCH_TOKENS
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = settings["threads"]
    parameters.n_threads_http = _HTTP_THREADS
    parameters.cache_ram_mib = _CACHE_MIB
    parameters.fit_params = False
    parameters.ui = False
    parameters.endpoint_slots = False  # it would show one caller's prompt to another
    parameters.offline = True
    parameters.verbosity = _ERRORS_ONLY
    # What the model's card recommends (huggingface.co/HuggingFaceTB/SmolLM2-135M-Instruct).
    parameters.sampling.temp = 0.2
    parameters.sampling.top_p = 0.9
    return parameters


if __name__ == "__main__":
    main()
