"""Our own scripts and styles, as a browser fetches them."""

from __future__ import annotations

import gzip
from pathlib import Path

import httpx
import pytest

from api.assets import assets_app
from components.bundle import BUNDLE, shim
from markup.assets import bundle, plotly_url


def client() -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(assets_app(BUNDLE)), base_url="http://t")


async def test_every_file_of_the_views_is_served_for_ever() -> None:
    async with client() as browser:
        for name, content in BUNDLE.files.items():
            answer = await browser.get(BUNDLE.url(name))
            assert answer.status_code == 200
            assert answer.content == content
            assert answer.headers["content-encoding"] == "gzip"
            assert "immutable" in answer.headers["cache-control"]
            assert answer.headers["content-type"].startswith(
                "text/javascript" if name.endswith("js") else "text/css"
            )


async def test_who_takes_no_gzip_gets_the_plain_file() -> None:
    async with client() as browser:
        answer = await browser.get(BUNDLE.url("live.js"), headers={"accept-encoding": "identity"})
    assert "content-encoding" not in answer.headers
    assert answer.content == BUNDLE.files["live.js"]


async def test_plotly_comes_out_of_its_wheel_compressed() -> None:
    async with client() as browser, browser.stream("GET", plotly_url()) as answer:
        small = b"".join([part async for part in answer.aiter_raw()])
    assert answer.status_code == 200
    assert len(small) < 2_000_000
    assert b"plotly.js v" in gzip.decompress(small)[:200]


@pytest.mark.parametrize(
    "path",
    [
        "/ui/",
        "/ui/x/live.js",
        "/ui/../app.py",
        f"{BUNDLE.url('live.js')}/..",
        "/ui/%2e%2e/app.py",
        "/ui/plotly.min.js",
    ],
)
async def test_nothing_else_is_served(path: str) -> None:
    async with client() as browser:
        assert (await browser.get(path)).status_code == 404


async def test_assets_are_only_read() -> None:
    async with client() as browser:
        assert (await browser.post(BUNDLE.url("live.js"))).status_code == 405


def test_the_address_changes_with_any_file(tmp_path: Path) -> None:
    (tmp_path / "a.js").write_text("1\n")
    before = bundle(tmp_path)
    (tmp_path / "b.css").write_text("x\n")
    assert bundle(tmp_path).version != before.version
    assert set(bundle(tmp_path).files) == {"a.js", "b.css"}


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.js").write_text("1\n")
    with pytest.raises(ValueError, match=r"a\.js"):
        bundle(tmp_path / "one", tmp_path / "two")


def test_every_module_that_is_imported_is_in_the_bundle() -> None:
    for name, content in BUNDLE.files.items():
        for line in content.decode().splitlines():
            if line.startswith("import ") and ' from "./' in line:
                assert line.split('"./')[1].rstrip('";') in BUNDLE.files, f"{name}: {line}"


def test_the_shim_is_no_path_to_streamlit() -> None:
    assert "\n" in shim("run_view.js")
    assert BUNDLE.url("run_view.js") in shim("run_view.js")
