"""The app's side of the jobs process: a socket of one's own, and what may be asked there.

Why a socket, and not HTTP to our own port: no credential that could be stolen and used elsewhere, no wire
format between a row and its run, and the whole run (what it cost, when its answer is safe) in one place.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import logging
import os
import secrets
import shutil
from pathlib import Path
from typing import Final

import msgspec
from sqlalchemy.orm import Session

from battles import batch_judgements as judging, batch_storage as storage
from battles.batch_models import Batch, Item
from battles.batch_wire import Ask, Finish, Handed, Piece, Refused, Wanted
from battles.batch_work import BatchWork, Told
from children.supervisor import runtime_folder
from store.databases import Database

_log = logging.getLogger(__name__)

_LONGEST_LINE: Final = 64 * 1024
_ITEMS_A_PIECE: Final = 8  # times how many run at once


class BatchDoor:
    """`handed` is what the jobs process needs to know of it."""

    def __init__(self, database: Database, work: BatchWork, jobs_database: str) -> None:
        self._database = database
        self._work = work
        self._folder = runtime_folder()
        self._server: asyncio.Server | None = None
        self._callers: set[asyncio.Task[None]] = set()
        self.handed = Handed(str(self._folder / "jobs"), secrets.token_urlsafe(32), jobs_database)

    async def open(self) -> None:
        before = os.umask(0o077)
        try:
            self._server = await asyncio.start_unix_server(
                self._serve, self.handed.socket, limit=_LONGEST_LINE
            )
        finally:
            os.umask(before)
        Path(self.handed.socket).chmod(0o600)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for caller in tuple(self._callers):
            caller.cancel()
        await self._work.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._callers.add(task)
        try:
            while line := await reader.readline():
                writer.write(msgspec.json.encode(await self._answered(line)) + b"\n")
                await writer.drain()
        except (OSError, ValueError, asyncio.CancelledError):
            pass  # it ended, or we do; what it asked for goes on and is asked for again
        finally:
            self._callers.discard(task)
            with contextlib.suppress(OSError):
                writer.close()

    async def _answered(self, line: bytes) -> Wanted | Piece | Told | Finish | Refused:
        try:
            ask = msgspec.json.decode(line, type=Ask)
        except msgspec.DecodeError:
            return Refused("not a question")
        if not hmac.compare_digest(ask.token.encode(), self.handed.token.encode()):
            return Refused("not the token")
        try:
            match ask.ask:
                case "wanted":
                    return Wanted(await self._database.read(storage.wanted))
                case "piece":
                    return await self._piece(ask)
                case "do":
                    return await self._do(ask)
                case "finish":
                    return await self._finish(ask)
        except Exception as error:
            _log.exception("the jobs process asked %s of %s, and it failed", ask.ask, ask.batch)
            return Refused(type(error).__name__)

    async def _do(self, ask: Ask) -> Told:
        if ask.judging:
            return await self._work.judge(ask.batch, ask.epoch, ask.row, ask.one, ask.other)
        return await self._work.do(ask.batch, ask.epoch, Item(ask.row, ask.one))

    async def _piece(self, ask: Ask) -> Piece:
        def work(session: Session) -> Piece:
            batch = _running(session, ask)
            if batch is None:
                return Piece(over=True)
            storage.say_why(session, batch.id, batch.epoch, "")
            at_once = batch.spec.at_once
            rows = max(1, _ITEMS_A_PIECE * at_once // len(batch.spec.lanes))
            if ask.judging:
                items = judging.to_judge(session, batch, ask.row, rows)
            else:
                items = tuple(
                    (item.row_no, item.lane, -1) for item in storage.items_from(session, batch, ask.row, rows)
                )
            next_row = ask.row + rows
            return Piece(False, at_once, items, next_row if next_row < batch.rows else None)

        return await self._database.write(work)

    async def _finish(self, ask: Ask) -> Finish:
        def work(session: Session) -> Finish:
            batch = _running(session, ask)
            if batch is None:
                return Finish("over")
            if storage.items_from(session, batch, 0, batch.rows):
                return Finish("answers")
            if batch.spec.judge is not None and judging.to_judge(session, batch, 0, batch.rows):
                return Finish("judging")
            storage.move(session, batch.id, "done", come_from=["running"], epoch=batch.epoch)
            return Finish("over")

        return await self._database.write(work)


def _running(session: Session, ask: Ask) -> Batch | None:
    batch = storage.find_batch(session, None, ask.batch)
    going = batch is not None and batch.state == "running" and batch.epoch == ask.epoch
    return batch if going else None
