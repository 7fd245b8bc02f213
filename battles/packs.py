"""Packs on the command line: check one, read one, run one again here or in CI.

    python -m battles.packs verify FILE [--public-key KEY]
    python -m battles.packs show FILE [--html]
    python -m battles.packs run FILE [--base-url URL] [--key KEY] [--max-usd USD] [--cost-factor N]
                                     [--replace OLD=NEW] [--same] [--public-key KEY]

Ends with 0 where all holds, 1 where a run did not hold what was asked of it, 2 where the pack is refused or
the command is wrong, 3 where a request could not be made. The key is TILTYARD_API_KEY's unless named.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from battles.errors import PackRefused
from battles.pack_format import MOST_BYTES, Opened, opened
from battles.pack_reading import as_html, as_markdown
from battles.pack_runs import Asked, CannotAsk, Terms, run_again

DEFAULT_URL = "http://127.0.0.1:8501"
HELD, FAILED, REFUSED, UNREACHED = 0, 1, 2, 3


def main(arguments: Sequence[str]) -> int:
    asked = _parser().parse_args(arguments)
    try:
        pack = opened(_read(asked.file), public_key=asked.public_key)
    except PackRefused as error:
        print(f"refused: {error}", file=sys.stderr)
        return REFUSED
    if asked.command == "verify":
        print(f"whole: head {pack.head}\nsigned with key {pack.key_id}: {pack.public_key}")
        if asked.public_key is None:
            print("Whose key that is, the installation says at GET /v1/pack-key; name it with --public-key.")
        return HELD
    if asked.command == "show":
        print(as_html(pack) if asked.html else as_markdown(pack), end="")
        return HELD
    return _run(pack, asked)


def _run(pack: Opened, asked: argparse.Namespace) -> int:
    key = asked.key or os.environ.get("TILTYARD_API_KEY")
    if not key:
        print("No key: set TILTYARD_API_KEY, or name one with --key.", file=sys.stderr)
        return REFUSED
    terms = Terms(asked.max_usd, asked.cost_factor, same=asked.same)
    try:
        report = run_again(pack, Asked(asked.base_url, key), terms, dict(asked.replace), say=print)
    except CannotAsk as error:
        print(f"could not be run: {error}", file=sys.stderr)
        return UNREACHED
    print(report.summary)
    return HELD if report.holds else FAILED


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MOST_BYTES + 1)
    except OSError as error:
        raise PackRefused(f"{path} cannot be read: {error.strerror}.") from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m battles.packs", description="Packs of battles.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, about in (
        ("verify", "is it whole, and whose is it"),
        ("show", "as Markdown, or as HTML"),
        ("run", "ask everything again, and compare"),
    ):
        command = commands.add_parser(name, help=about)
        command.add_argument("file", type=Path)
        command.add_argument("--public-key", help="the key that must have signed it, in base64")
        if name == "show":
            command.add_argument("--html", action="store_true")
        if name == "run":
            command.add_argument("--base-url", default=DEFAULT_URL, help=f"where to ask ({DEFAULT_URL})")
            command.add_argument("--key", help="an API key; else TILTYARD_API_KEY's")
            command.add_argument("--max-usd", type=_usd, help="what all runs together may cost")
            command.add_argument(
                "--cost-factor", type=_factor, help="how many times its recorded cost a run may cost"
            )
            command.add_argument("--replace", type=_pair, action="append", default=[], metavar="OLD=NEW",
                                 help="ask this model instead of that one")  # fmt: skip
            command.add_argument(
                "--same", action="store_true", help="outputs must be the same, to the letter"
            )
    return parser


def _usd(said: str) -> int:
    from billing.money import parse_usd

    return parse_usd(said)


def _factor(said: str) -> float:
    factor = float(said)
    if not 0 < factor < 1e6:
        raise ValueError(said)
    return factor


def _pair(said: str) -> tuple[str, str]:
    old, _, new = said.partition("=")
    if not old or not new:
        raise ValueError(said)
    return old, new


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
