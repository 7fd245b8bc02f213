"""Cuts a stream of server-sent events into frames, whatever the network did to it.

Follows the HTML standard's parsing rules (html.spec.whatwg.org, 9.2.6): LF, CR LF and CR end a line,
a byte order mark is dropped, comments are skipped, several `data` lines are joined by LF. Works on
bytes, so a character split over two reads is whole again before anybody decodes it.
"""

from __future__ import annotations

_BOM = b"\xef\xbb\xbf"
MAX_FRAME_BYTES = 8 * 1024 * 1024


class FrameTooLarge(Exception):
    """One event has more than `MAX_FRAME_BYTES`: nobody honest sends that."""


class FrameCutter:
    """Feed it reads, get whole frames: the `data` of each event, in order."""

    def __init__(self) -> None:
        self._rest = bytearray()  # the line that is not whole yet
        self._data: list[bytes] = []  # the data lines of the event that is not whole yet
        self._data_bytes = 0
        self._skip_lf = False  # the last read ended in CR: an LF that follows belongs to it
        self._at_start = True

    def feed(self, read: bytes) -> list[bytes]:
        """The frames that this read completes. Raises `FrameTooLarge`."""
        if not self._mid_frame and read.startswith(b"data: ") and read.endswith(b"\n\n"):
            # Whole frames of a line each, which is what almost every read is.
            parts = read[:-2].split(b"\n\n")
            frames = [part[6:] for part in parts if part.startswith(b"data: ")]
            if len(frames) == len(parts) == read.count(b"\n") // 2 and b"\r" not in read:
                self._at_start = False
                return frames
        if self._at_start:
            read = self._without_bom(read)
        if self._skip_lf and read:
            self._skip_lf = False
            if read.startswith(b"\n"):
                read = read[1:]
        if b"\r" in read:
            self._skip_lf = read.endswith(b"\r")
            read = read.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        if b"\n" not in read:
            self._rest += read
            if len(self._rest) > MAX_FRAME_BYTES:
                raise FrameTooLarge
            return []
        lines = read.split(b"\n")
        if self._rest:
            lines[0] = bytes(self._rest) + lines[0]
        self._rest = bytearray(lines.pop())
        return self._frames(lines)

    @property
    def _mid_frame(self) -> bool:
        return bool(self._rest or self._data or self._skip_lf)

    def close(self) -> list[bytes]:
        """The frame that lacked only its blank line when the stream ended, if there is one.

        The standard would drop it; servers that forget the last blank line mean it all the same.
        """
        lines = [bytes(self._rest)] if self._rest else []
        self._rest = bytearray()
        return self._frames([*lines, b""])

    def _frames(self, lines: list[bytes]) -> list[bytes]:
        frames = []
        for line in lines:
            if not line:
                if self._data:
                    frames.append(self._data[0] if len(self._data) == 1 else b"\n".join(self._data))
                    self._data = []
                    self._data_bytes = 0
            elif line.startswith(b"data:"):
                self._take(line[6:] if line.startswith(b"data: ") else line[5:])
            elif line == b"data":
                self._take(b"")
            # comments, and the fields `event`, `id` and `retry`, which both wires repeat or never use
        return frames

    def _take(self, data: bytes) -> None:
        self._data.append(data)
        self._data_bytes += len(data) + 1
        if self._data_bytes > MAX_FRAME_BYTES:
            raise FrameTooLarge

    def _without_bom(self, read: bytes) -> bytes:
        """The mark may itself be split over reads, so its beginning is kept back."""
        read = bytes(self._rest) + read
        self._rest = bytearray()
        if len(read) < len(_BOM) and _BOM.startswith(read):
            self._rest += read
            return b""
        self._at_start = False
        return read.removeprefix(_BOM)
