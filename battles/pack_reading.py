"""A pack as Markdown, and as one HTML file that needs nothing else: no script, no picture, no font from
anywhere. Pure.

What models and people wrote is quoted: in Markdown inside a fence that it cannot end, in HTML through the
house's own cleaner. The HTML's own policy lets nothing load and nothing run.
"""

from __future__ import annotations

import html
import re
from typing import Any, Final

from battles.pack_format import Opened, Parts

_CSS: Final = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2, h3 { line-height: 1.25; } h1 { font-size: 1.5rem; } h2 { font-size: 1.2rem; margin-top: 2rem; }
.lanes { display: grid; grid-template-columns: repeat(auto-fit, minmax(18rem, 1fr)); gap: 1rem; }
article, blockquote { border: 1px solid color-mix(in srgb, currentColor 20%, transparent);
  border-radius: 0.5rem; padding: 0.75rem 1rem; margin: 0; overflow-wrap: anywhere; min-width: 0; }
blockquote { white-space: pre-wrap; background: color-mix(in srgb, currentColor 6%, transparent); }
pre { overflow-x: auto; padding: 0.75rem; border-radius: 0.25rem;
  background: color-mix(in srgb, currentColor 7%, transparent); }
code { font: 0.875em ui-monospace, monospace; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
.wide { overflow-x: auto; }
th, td { text-align: start; padding: 0.25rem 1rem 0.25rem 0; vertical-align: top; font-weight: 400;
  border-bottom: 1px solid color-mix(in srgb, currentColor 16%, transparent); }
th, small { color: color-mix(in srgb, currentColor 72%, transparent); }
"""
POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_NONE: Final = "\N{EM DASH}"
_OUTCOMES: Final = {
    "left": "{left} is better",
    "right": "{right} is better",
    "tie": "a tie",
    "both_bad": "both bad",
}
_FENCES: Final = re.compile(r"`{3,}")


def as_markdown(pack: Opened) -> str:
    parts = pack.parts
    lines = [f"# {_title(parts)}", "", _summary(parts), ""]
    lines += ["| lane | model | provider | settings |", "|---|---|---|---|"]
    for lane in parts["lanes"]:
        settings = _cell(_settings(lane))
        lines.append(f"| {lane['label']} | {_cell(lane['model'])} | {_cell(lane['provider'])} | {settings} |")
    for turn in parts["turns"]:
        lines += ["", f"## {_turn_title(turn)}", "", *_fenced(_prompt(turn))]
        for run in _runs(parts, turn):
            lines += ["", f"### {_run_title(parts, run)}", "", _figures(run), ""]
            if run["reasoning"]:
                lines += ["Reasoning:", "", *_fenced(run["reasoning"]), ""]
            lines += _fenced(_output(run))
            lines += [
                f"- calls `{_cell(call['name'])}`: {_cell(call['arguments'])}"
                for call in run["tool_calls"] or ()
            ]
    if parts["votes"]:
        lines += ["", "## Votes", ""]
        lines += [f"- {_cell(said)}" for said in _votes(parts)]
    if parts["prices"]:
        lines += [
            "",
            "## Prices",
            "",
            "| model | provider | input / 1M | output / 1M | list |",
            "|---|---|---|---|---|",
        ]
        lines += [
            f"| {_cell(each['model'])} | {_cell(each['provider'])} | ${each['input_usd_per_million']} "
            f"| ${each['output_usd_per_million']} | {_cell(each['version'])} |"
            for each in parts["prices"]
        ]
    return "\n".join([*lines, "", _origin(pack), ""])


def as_html(pack: Opened) -> str:
    """The whole page."""
    return page(pack.parts, _origin(pack))


def page(parts: Parts, foot: str) -> str:
    """One HTML file that needs nothing else."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_e(POLICY)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n<meta name="robots" content="noindex">\n'
        f"<title>{_e(_title(parts))}</title>\n<style>{_CSS}</style>\n</head>\n<body>\n"
        f"{body_of(parts)}\n<p><small>{_e(foot)}</small></p>\n</body>\n</html>\n"
    )


def body_of(parts: Parts) -> str:
    """What stands on the page, as HTML of ours alone."""
    body = [f"<h1>{_e(_title(parts))}</h1>", f"<p>{_e(_summary(parts))}</p>"]
    if any(lane["model"] for lane in parts["lanes"]):
        body.append(_lanes_table(parts))
    for turn in parts["turns"]:
        body += [
            f"<h2>{_e(_turn_title(turn))}</h2>",
            f'<blockquote dir="auto">{_e(_prompt(turn))}</blockquote>',
        ]
        body += ['<div class="lanes">', *(_article(parts, run) for run in _runs(parts, turn)), "</div>"]
    if parts["votes"]:
        body += ["<h2>Votes</h2>", "<ul>", *(f"<li>{_e(said)}</li>" for said in _votes(parts)), "</ul>"]
    if parts["prices"]:
        rows = [
            (each["model"], each["provider"], f"${each['input_usd_per_million']}",
             f"${each['output_usd_per_million']}", each["version"])
            for each in parts["prices"]
        ]  # fmt: skip
        body += ["<h2>Prices</h2>", _table(("model", "provider", "input / 1M", "output / 1M", "list"), rows)]
    return "\n".join(body)


# --- what both say ---------------------------------------------------------------------------


def _title(parts: Any) -> str:
    names = [str(lane["model"]) for lane in parts["lanes"]]
    if parts["about"]["kind"] == "run":
        return f"Conversation with {names[0]}"
    return "Battle: " + " against ".join(names)


def _summary(parts: Any) -> str:
    about = parts["about"]
    told = [f"{about['battle']}, {about['created_at']}"]
    told += ["blind" if about["blind"] else "open"] if about["kind"] != "run" else []
    told += [about["category"]] if about["category"] else []
    told += [f"tags {', '.join(about['tags'])}"] if about["tags"] else []
    told += [f"cost ${about['cost_usd']}"] if about["cost_usd"] is not None else []
    return "; ".join(told) + "."


def _origin(pack: Opened) -> str:
    return (
        f"Made from a pack with the head {pack.head}, signed with the key {pack.key_id}. This page can be "
        "changed by anybody; the pack cannot."
    )


def _settings(lane: Any) -> str:
    settings = lane["settings"] or {}
    told = [f"{name} {value}" for name, value in (settings.get("parameters") or {}).items()]
    told += ["system prompt"] if settings.get("system") else []
    told += [f"{len(settings['examples'])} example turns"] if settings.get("examples") else []
    told += ["template"] if settings.get("template") else []
    told += [f"prompt version {lane['prompt_version']}"] if lane["prompt_version"] else []
    return ", ".join(told) or "defaults"


def _turn_title(turn: Any) -> str:
    return f"Turn {turn['no']}" + (
        f", after turn {turn['after']}" if turn["after"] not in (None, turn["no"] - 1) else ""
    )


def _prompt(turn: Any) -> str:
    prompt = turn["prompt"]
    if prompt is None:
        return "(The prompt is not shown, or no longer kept.)"
    told = [prompt["text"], *(f"{name}: {value}" for name, value in (prompt.get("variables") or {}).items())]
    if images := prompt.get("images"):
        told.append(f"({len(images)} images, which are in the pack)")
    return "\n".join(line for line in told if line)


def _runs(parts: Any, turn: Any) -> list[Any]:
    return [run for run in parts["runs"] if run["turn"] == turn["no"]]


def _run_title(parts: Any, run: Any) -> str:
    label = next(lane["label"] for lane in parts["lanes"] if lane["no"] == run["lane"])
    return f"{label}: {run['model'] or 'no answer'}" + (f" at {run['provider']}" if run["provider"] else "")


def _figures(run: Any) -> str:
    told = [run["state"]]
    told += [f"first token {run['first_token_ms']:g} ms"] if run["first_token_ms"] is not None else []
    told += [f"total {run['total_ms']:g} ms"] if run["total_ms"] is not None else []
    told += ["on a shared processor"] if run["shares_cpu"] else []
    told += (
        [f"{run['input_tokens']} tokens in, {run['output_tokens']} out"]
        if run["output_tokens"] is not None
        else []
    )
    told += [f"${run['cost_usd']}"] if run["cost_usd"] is not None else []
    told += [f"{run['tries']} tries"] if run["tries"] > 1 else []
    return ", ".join(told) + "."


def _output(run: Any) -> str:
    if run["output"]:
        return str(run["output"])
    return (
        f"({run['failure']})"
        if run["failure"]
        else "(No text.)"
        if run["output"] == ""
        else "(No longer kept.)"
    )


def _votes(parts: Any) -> list[str]:
    labels = {lane["no"]: lane["label"] for lane in parts["lanes"]}
    told = []
    for vote in parts["votes"]:
        pairs = [
            _OUTCOMES[pair["outcome"]].format(left=labels[pair["left"]], right=labels[pair["right"]])
            for pair in vote["pairs"]
        ]
        when = "on text alone" if vote["stage"] == "first" else "knowing names, speed and price"
        reasons = f" ({', '.join(vote['reasons'])})" if vote["reasons"] else ""
        told.append(f"Turn {vote['turn']}, {vote['voter']}, {when}: {'; '.join(pairs)}{reasons}")
    return told


# --- Markdown --------------------------------------------------------------------------------


def _fenced(text: str) -> list[str]:
    """In a fence longer than any in the text."""
    longest = max((len(found) for found in _FENCES.findall(text)), default=2)
    fence = "`" * (longest + 1)
    return [f"{fence}text", text, fence]


def _cell(value: object) -> str:
    """In one line, with nothing that Markdown would read."""
    text = _NONE if value is None else " ".join(str(value).split())
    return re.sub(r"([\\`*_{}\[\]<>#|!~])", r"\\\1", text)


# --- HTML ------------------------------------------------------------------------------------


def _e(text: object) -> str:
    return html.escape(str(text))


def _lanes_table(parts: Any) -> str:
    rows = [
        (lane["label"], lane["model"], lane["provider"] or _NONE, _settings(lane)) for lane in parts["lanes"]
    ]
    return _table(("lane", "model", "provider", "settings"), rows)


def _article(parts: Any, run: Any) -> str:
    inside = [f"<h3>{_e(_run_title(parts, run))}</h3>", f"<p><small>{_e(_figures(run))}</small></p>"]
    if run["reasoning"]:
        thought = _rendered(run["reasoning"])
        inside.append(f'<details><summary>Reasoning</summary><div dir="auto">{thought}</div></details>')
    inside.append(f'<div dir="auto">{_rendered(_output(run))}</div>')
    for call in run["tool_calls"] or ():
        inside.append(
            f"<p>calls <code>{_e(call['name'])}</code></p><pre><code>{_e(call['arguments'])}</code></pre>"
        )
    return f"<article>{''.join(inside)}</article>"


def _rendered(text: str) -> str:
    # Imported for whoever exports HTML: with its lexers it is 4 MB of a process.
    from markup.markdown import render

    return render(text, {}).html


def _table(heads: tuple[str, ...], rows: list[Any]) -> str:
    head = "".join(f'<th scope="col">{_e(each)}</th>' for each in heads)
    body = "".join("<tr>" + "".join(f"<td>{_e(each)}</td>" for each in row) + "</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
