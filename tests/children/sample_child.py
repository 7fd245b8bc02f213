"""A child that behaves as its first argument says; run by `test_supervisor.py`."""

import json
import os
import signal
import sys
import time
from pathlib import Path


def main(mode: str) -> None:
    settings = json.loads(sys.stdin.readline())
    if mode == "fails":
        sys.exit(3)
    if mode == "shows":
        Path(settings["path"]).write_text(json.dumps([settings, dict(os.environ)]))
    if mode == "stays":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    if mode == "stays":
        time.sleep(60)
    sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1])
