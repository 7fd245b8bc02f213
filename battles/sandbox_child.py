"""The process in which checks run: a forked copy of it for each, with nothing to reach and little to use.

Started by `sandbox.py` as a script (`python -I sandbox_child.py`), with an empty environment and no open
file but its pipes; one JSON object a line in, one a line out. It knows no secret, no data but the answer
that it is asked about, and imports the standard library and jsonschema alone.

Each check runs in a fork that first gives up what it could do harm with:

    memory, processor time, files     resource limits
    everything outside                a seccomp filter that lets through some thirty system calls
                                      (memory, clocks, reading and writing what is open): no file is
                                      opened, no socket, no process, no thread, no signal to others
    time                              this process kills it at its deadline

The filter is Linux's, on x86_64 and aarch64. Where there is none `held` is false in the first line that
is written, and `sandbox.py` decides whether Python tests run at all. Modules that tests may want are
imported before the filter closes the file system: `import` finds them loaded, and no others.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import importlib
import io
import json
import math
import os
import platform
import re
import resource
import select
import signal
import struct
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any, Final

MODULES: Final = (
    "abc", "ast", "base64", "binascii", "bisect", "calendar", "cmath", "collections", "contextlib", "copy",
    "csv", "dataclasses", "datetime", "decimal", "difflib", "enum", "fractions", "functools", "hashlib",
    "heapq", "html", "html.parser", "inspect", "io", "ipaddress", "itertools", "json", "keyword", "linecache",
    "math", "numbers", "operator", "random", "re", "statistics", "string", "struct", "textwrap", "time",
    "tokenize", "traceback", "typing", "unicodedata", "urllib.parse", "xml.etree.ElementTree",
)  # fmt: skip
_ENCODINGS: Final = ("ascii", "latin-1", "utf-8", "utf-8-sig", "utf-16", "idna", "punycode")
_LONGEST_WHY: Final = 500
_MOST_READ: Final = 8_192

# --- the filter ------------------------------------------------------------------------------

# System calls that a check may make: read, write, close, fstat, lseek, mmap, mprotect, munmap, brk,
# rt_sigaction, rt_sigprocmask, rt_sigreturn, mremap, madvise, nanosleep, getpid, exit, getrusage,
# sigaltstack, gettid, futex, sched_yield, restart_syscall, clock_gettime, clock_getres, clock_nanosleep,
# exit_group, getrandom, rseq, and the read-only prlimit's older half, getrlimit.
_X86_64: Final = (
    0, 1, 3, 5, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 28, 35, 39, 60, 97, 98, 131, 186, 202, 219, 228, 229,
    230, 231, 318, 334,
)  # fmt: skip
_AARCH64: Final = (
    57, 62, 63, 64, 80, 93, 94, 98, 101, 113, 114, 115, 124, 128, 132, 134, 135, 139, 163, 165, 172, 178,
    214, 215, 216, 222, 226, 233, 278, 293,
)  # fmt: skip
_AUDIT_ARCH: Final = {"x86_64": (0xC000003E, _X86_64), "aarch64": (0xC00000B7, _AARCH64)}
_LOAD, _EQUALS, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _DENY, _KILL = 0x7FFF0000, 0x00050000 | errno.EPERM, 0x80000000
_NO_NEW_PRIVS, _SET_SECCOMP, _FILTER = 38, 22, 2


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_void_p))


def filter_program(machine: str) -> bytes | None:
    """Classic BPF over `seccomp_data` (its number first, its architecture after it); None where we know
    none for this machine."""
    if sys.platform != "linux" or machine not in _AUDIT_ARCH:
        return None
    arch, allowed = _AUDIT_ARCH[machine]
    steps = [(_LOAD, 0, 0, 4), (_EQUALS, 1, 0, arch), (_RETURN, 0, 0, _KILL), (_LOAD, 0, 0, 0)]
    steps += [(_EQUALS, len(allowed) - no, 0, call) for no, call in enumerate(allowed)]
    steps += [(_RETURN, 0, 0, _DENY), (_RETURN, 0, 0, _ALLOW)]
    return b"".join(struct.pack("HBBI", code, yes, no, value) for code, yes, no, value in steps)


def give_up_everything(program: bytes) -> None:
    """From here on this process can only think, and say what it thought. Raises `OSError`."""
    libc = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(program, len(program))
    told = _Program(len(program) // 8, ctypes.cast(buffer, ctypes.c_void_p))
    if libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(_SET_SECCOMP, _FILTER, ctypes.byref(told), 0, 0):
        raise OSError(ctypes.get_errno(), "the kernel takes no seccomp filter")


def _limit(seconds: float, memory_bytes: int) -> None:
    if _LINUX:
        with open("/proc/self/statm") as told:
            mapped = int(told.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (mapped + memory_bytes,) * 2)
    for name, most in (
        ("RLIMIT_CPU", math.ceil(seconds) + 1),
        ("RLIMIT_FSIZE", 0),
        ("RLIMIT_CORE", 0),
        ("RLIMIT_NPROC", 0),
        ("RLIMIT_NOFILE", 0),
    ):
        if hasattr(resource, name):
            with contextlib.suppress(ValueError, OSError):
                resource.setrlimit(getattr(resource, name), (most, most))


_LINUX: Final = sys.platform == "linux"

# --- the checks ------------------------------------------------------------------------------


def _regex(asked: dict[str, Any], answer: str) -> tuple[bool, str]:
    flags = re.IGNORECASE if asked["ignore_case"] else 0
    found = re.search(asked["pattern"], answer, flags) is not None
    return found, "" if found else "the pattern is not in the answer"


def json_in(answer: str) -> str:
    """The JSON of an answer: all of it, or its one fenced block."""
    fenced = re.findall(r"```(?:json|JSON)?[ \t]*\n(.*?)```", answer, re.DOTALL)
    return fenced[0] if len(fenced) == 1 else answer


def _json_schema(asked: dict[str, Any], answer: str) -> tuple[bool, str]:
    import jsonschema  # type: ignore[import-untyped]  # it ships no types

    try:
        value = json.loads(json_in(answer))
    except ValueError as error:
        return False, f"no JSON: {error}"
    schema = asked["schema"]
    validator = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
    validator.check_schema(schema)
    # The drafts' own and nothing else: the default registry would fetch what a schema refers to.
    known = jsonschema.validators.SPECIFICATIONS
    wrong = next(validator(schema, registry=known).iter_errors(value), None)
    return wrong is None, "" if wrong is None else f"at {wrong.json_path}: {wrong.message}"


def _python(asked: dict[str, Any], answer: str) -> tuple[bool, str]:
    lines = asked["code"].splitlines()
    names: dict[str, Any] = {"__name__": "tests"}
    try:
        exec(compile(asked["code"], "<tests>", "exec"), names)  # noqa: S102  # what this process is for
        tests = [name for name, value in names.items() if name.startswith("test") and callable(value)]
        for name in tests:
            if names[name](answer, asked["row"]) is False:
                return False, f"{name} returned False"
    except MemoryError:
        raise
    except Exception as error:
        return False, _told(error, lines)
    return bool(tests), "" if tests else "there is no function whose name begins with `test`"


def _told(error: Exception, lines: list[str]) -> str:
    """An exception as its author wants it: what, and on which of the test's lines."""
    places = [step.lineno for step in traceback.extract_tb(error.__traceback__) if step.filename == "<tests>"]
    line_no = places[-1] if places else None
    line = lines[line_no - 1].strip() if line_no and line_no <= len(lines) else ""
    said = f"{type(error).__name__}{f': {error}' if str(error) else ''}"
    return f"line {line_no}, {line}: {said}" if line else said


_KINDS: Final[dict[str, Callable[[dict[str, Any], str], tuple[bool, str]]]] = {
    "regex": _regex,
    "json_schema": _json_schema,
    "python": _python,
}


def _run(asked: dict[str, Any], answer: str) -> dict[str, Any]:
    sys.stdout = sys.stderr = io.StringIO()
    try:
        passed, why = _KINDS[asked["kind"]](asked, answer)
    except MemoryError:
        return {"passed": None, "why": "it used more memory than a check may"}
    except (Exception, SystemExit) as error:
        return {"passed": None, "why": f"it broke: {type(error).__name__}: {error}"[:_LONGEST_WHY]}
    return {"passed": bool(passed), "why": why[:_LONGEST_WHY]}


# --- one fork a check ------------------------------------------------------------------------


def in_fork(work: Callable[[], dict[str, Any]], seconds: float) -> dict[str, Any]:
    """What `work` returns in a copy of this process; that it did not come to an end, in words, else."""
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(ours)
            os.dup2(theirs, 3)
            os.closerange(4, 256)
            for standard in (0, 1, 2):
                os.close(standard)
            os.write(3, json.dumps(work()).encode("utf-8", "replace"))
        finally:
            os._exit(0)
    os.close(theirs)
    try:
        return _awaited(ours, time.monotonic() + seconds) or _end_of(pid)
    finally:
        os.close(ours)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, 0)


def _awaited(pipe: int, until_s: float) -> dict[str, Any] | None:
    """None where the fork ended without a word."""
    said = b""
    while True:
        left_s = until_s - time.monotonic()
        if left_s <= 0 or not select.select([pipe], [], [], left_s)[0]:
            return {"passed": None, "why": "it took longer than a check may"}
        piece = os.read(pipe, _MOST_READ)
        if not piece:
            break
        said += piece
        if len(said) > _MOST_READ:
            break
    try:
        told = json.loads(said)
        return {"passed": told["passed"], "why": str(told["why"])}
    except (ValueError, KeyError, TypeError):
        return None


def _end_of(pid: int) -> dict[str, Any]:
    with contextlib.suppress(ChildProcessError):
        _, status = os.waitpid(pid, 0)
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU:
            return {"passed": None, "why": "it took longer than a check may"}
    return {"passed": None, "why": "it ended without an answer"}


def _holds(program: bytes | None) -> str:
    """Why the filter does not hold, tried; "" where it does."""
    if program is None:
        return f"there is no filter for {sys.platform} on {platform.machine()}"

    def try_it() -> dict[str, Any]:
        import socket

        give_up_everything(program)
        for what, forbidden in (
            ("a socket", socket.socket),
            ("a file", lambda: os.open("/", os.O_RDONLY)),
            ("a process", os.fork),
        ):
            try:
                forbidden()
            except PermissionError:
                continue
            except OSError as error:
                return {"passed": False, "why": f"{what} failed otherwise: {error}"}
            return {"passed": False, "why": f"{what} was to be had"}
        return {"passed": True, "why": ""}

    told = in_fork(try_it, 5.0)
    return "" if told["passed"] else str(told["why"]) or "the filter did not hold"


def main() -> None:
    os.closerange(3, 1024)  # whatever the parent left open
    for name in MODULES:
        importlib.import_module(name)
    for name in _ENCODINGS:
        "".encode(name)
    with contextlib.suppress(ImportError):
        importlib.import_module("jsonschema")
    program = filter_program(platform.machine())
    why_not = _holds(program)
    _say({"held": not why_not, "why": why_not})
    for line in sys.stdin.buffer:
        asked = json.loads(line)
        _say(_answered(asked, None if why_not else program))


def _answered(asked: dict[str, Any], program: bytes | None) -> dict[str, Any]:
    def work() -> dict[str, Any]:
        _limit(asked["seconds"], asked["memory_bytes"])
        if program is not None:
            give_up_everything(program)
        return _run(asked["check"], asked["answer"])

    return in_fork(work, asked["seconds"])


def _say(said: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
