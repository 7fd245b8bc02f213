"""What a check may do, and what it may not: each escape is tried for real."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from battles.checks import Check, JsonSchema, Python, Regex, Verdict, checked, passes
from battles.errors import BadBattle, NoSandbox
from battles.sandbox import Sandbox

ROW = {"expected": "a.b", "n": "3"}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def sandbox() -> AsyncIterator[Sandbox]:
    held = Sandbox(check_s=1.5, memory_bytes=128 * 1024 * 1024)
    yield held
    await held.close()


pytestmark = pytest.mark.asyncio(loop_scope="module")


async def verdict(sandbox: Sandbox, check: Check, answer: str) -> Verdict:
    (only,) = await sandbox.check([check], answer, ROW)
    return only


async def test_a_pattern_is_found_and_a_rows_value_in_it_stands_for_itself(sandbox: Sandbox) -> None:
    check = Regex("^{{expected}}$")
    assert (await verdict(sandbox, check, "a.b")).passed is True
    assert (await verdict(sandbox, check, "axb")).passed is False


async def test_a_pattern_that_takes_forever_is_cut_and_the_next_check_runs(sandbox: Sandbox) -> None:
    slow = await verdict(sandbox, Regex("(a+)+$"), "a" * 60 + "b")
    assert slow.passed is None and "longer" in slow.why
    assert (await verdict(sandbox, Regex("b"), "b")).passed is True


async def test_json_is_held_against_its_schema_also_in_a_fenced_block(sandbox: Sandbox) -> None:
    check = JsonSchema({"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}})
    assert (await verdict(sandbox, check, '{"name": "x"}')).passed is True
    assert (await verdict(sandbox, check, 'Here:\n```json\n{"name": "x"}\n```')).passed is True
    wrong = await verdict(sandbox, check, '{"name": 3}')
    assert wrong.passed is False and "$.name" in wrong.why
    assert (await verdict(sandbox, check, "name: x")).passed is False


async def test_python_tests_see_answer_and_row_and_say_which_line_failed(sandbox: Sandbox) -> None:
    code = "import math\n\ndef test_count(answer, row):\n    assert len(answer.split()) == int(row['n'])\n"
    assert (await verdict(sandbox, Python(code), "one two three")).passed is True
    failed = await verdict(sandbox, Python(code), "one")
    assert failed.passed is False and "line 4" in failed.why and "AssertionError" in failed.why


@pytest.mark.parametrize(
    "body",
    [
        "import socket; socket.socket()",
        "import socket; socket.create_connection(('127.0.0.1', 80))",
        "open('/etc/passwd').read()",
        "open('/written', 'w')",
        "import os; os.fork()",
        "import os; assert os.system('true') == 0",
        "import subprocess; subprocess.run(['true'])",
        "import threading; threading.Thread(target=print).start()",
        "import os; os.kill(os.getppid(), 9)",
        "import os; os.listdir('/')",
        "import ctypes; assert ctypes.CDLL(None).system(b'true') == 0",
    ],
)
async def test_nothing_outside_can_be_reached(sandbox: Sandbox, body: str) -> None:
    told = await verdict(sandbox, Python(f"def test(answer, row):\n    {body}\n"), "x")
    assert told.passed is not True, told


async def test_a_test_that_never_ends_or_eats_memory_is_cut(sandbox: Sandbox) -> None:
    endless = await verdict(sandbox, Python("def test(answer, row):\n    while True: pass\n"), "x")
    assert endless.passed is None and "longer" in endless.why
    greedy = await verdict(sandbox, Python("def test(answer, row):\n    x = 'x' * 10**10\n"), "x")
    assert greedy.passed is None and "memory" in greedy.why
    killed = await verdict(sandbox, Python("import os\ndef test(answer, row):\n    os._exit(0)\n"), "x")
    assert killed.passed is None and "without an answer" in killed.why


async def test_one_check_leaves_nothing_for_the_next(sandbox: Sandbox) -> None:
    planted = Python("import json\ndef test(answer, row):\n    json.planted = 1\n")
    assert (await verdict(sandbox, planted, "x")).passed is True
    looked = Python("import json\ndef test(answer, row):\n    assert not hasattr(json, 'planted')\n")
    assert (await verdict(sandbox, looked, "x")).passed is True


async def test_python_is_refused_where_the_operator_says_so() -> None:
    off = Sandbox("off")
    with pytest.raises(NoSandbox):
        await off.refuse_python()
    told = await verdict(off, Python("def test(a, r): pass"), "x")
    assert told.passed is None and "operator" in told.why
    await off.close()


async def test_checks_are_looked_at_before_the_first_row() -> None:
    columns = ["question", "expected"]
    for wrong in (
        Regex("("),
        Regex("{{unknown}}"),
        Python("def check(answer, row): pass"),
        Python("def test(:"),
        JsonSchema({"$ref": "https://example.com/schema.json"}),
    ):
        with pytest.raises(BadBattle):
            checked([wrong], columns)
    checked([Regex("{{expected}}"), JsonSchema({"$defs": {"a": {}}, "$ref": "#/$defs/a"})], columns)


async def test_an_answer_passes_where_all_checks_do_and_unknown_is_no_failure() -> None:
    yes, no, unknown = (Verdict("regex", passed) for passed in (True, False, None))
    assert passes([yes, yes]) is True
    assert passes([yes, no, unknown]) is False
    assert passes([yes, unknown]) is None
    assert passes([]) is None
