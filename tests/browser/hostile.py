"""A migration whose keys, output lines and errors are what somebody would write who means harm."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any

import migrator as mg

HARM = "window.harmed=(window.harmed||0)+1"
_TAGS = [
    f"<script>{HARM}</script>",
    f"<img src=x onerror={HARM}>",
    f"<svg onload={HARM}>",
    f"<body onload={HARM}>",
    f"<iframe srcdoc='<script>parent.{HARM}</script>'>",
    f"<details open ontoggle={HARM}>",
    f"<a href=javascript:{HARM}>a</a>",
    f"<input autofocus onfocus={HARM}>",
    f"<video><source onerror={HARM}></video>",
    f"<marquee onstart={HARM}>",
    f"<math><mi xlink:href=javascript:{HARM}>",
    f"<style>@import 'javascript:{HARM}'</style>",
    f"<object data=javascript:{HARM}>",
    f"<embed src=javascript:{HARM}>",
    f"<form action=javascript:{HARM}><button>",
    f"<meta http-equiv=refresh content=0;url=javascript:{HARM}>",
    f"<base href=javascript:{HARM}//>",
    f"<template><script>{HARM}</script></template>",
    f"<noscript><p title='</noscript><img src=x onerror={HARM}>'>",
    f"<svg><animate onbegin={HARM} attributeName=x>",
    f"<xss style=animation-name:x onanimationstart={HARM}>",
    f"<select autofocus onfocus={HARM}>",
    f"<img src=x:x onerror={HARM}//",
    f"<ScRiPt>{HARM}</sCrIpT>",
    f"<svg><script>{HARM}</script></svg>",
]
_BREAKS = [
    "{}",
    '">{}',
    "'>{}",
    "-->{}",
    "]]>{}",
    "</script>{}",
    "</textarea>{}",
    "</title>{}",
    '\\"{}',
    "`{}`",
]
_OTHERS = [
    f"javascript:{HARM}",
    f"data:text/html,<script>{HARM}</script>",
    f"[click](javascript:{HARM})",
    f'![x](x" onerror="{HARM})',
    f"${{{HARM}}}",
    f"{{{{constructor.constructor('{HARM}')()}}}}",
    f'";{HARM};//',
    f"';{HARM};//",
    f"\\u003cscript\\u003e{HARM}\\u003c/script\\u003e",
    f"&lt;script&gt;{HARM}&lt;/script&gt;",
    f"%3Cscript%3E{HARM}%3C/script%3E",
    f"\x1b]8;;javascript:{HARM}\x07click\x1b]8;;\x07",
    f"\x1b[31m<b>{HARM}</b>\x1b[0m",
    f"\u202e<script>{HARM}</script>",
    f"<img src=x\u2028onerror={HARM}>",
    f"=cmd|' /C calc'!A0 {HARM}",
    f"<script\x0b>{HARM}</script>",
    f"<\uff53cript>{HARM}</script>",
    f"$$\\href{{javascript:{HARM}}}{{x}}$$",
    f"onmouseover={HARM} style=position:fixed;inset:0",
    f"<!--<img src=x onerror={HARM}>-->",
    f"<![CDATA[<img src=x onerror={HARM}>]]>",
    f'<div style="background:url(javascript:{HARM})">',
    f"__proto__[{HARM}]",
    f"constructor.{HARM}",
]
PAYLOADS = tuple(dict.fromkeys([*_TAGS, *_OTHERS, *(b.format(t) for b in _BREAKS[1:6] for t in _TAGS[:10])]))[:100]
assert len(PAYLOADS) == 100


class Hostile(mg.Migration):
    """One item a payload: half of them fail, with the payload as the reason; each is printed."""

    called: int = 1

    @property
    def title(self) -> str:
        return f"{PAYLOADS[self.called]} → {PAYLOADS[0]}"

    def plan(self, ctx: Any) -> Iterator[list[dict[str, Any]]]:
        yield [{"key": f"{n:03} {text}", "bytes": n, "reason": text} for n, text in enumerate(PAYLOADS)]


@mg.executes(Hostile)
class HostileExecutor(mg.Executor):
    """Says and answers what it was given."""

    def __init__(self, migration: Hostile) -> None:
        self.migration = migration

    def execute(self, shard: Any, rows: Sequence[mg.Item], control: Any) -> Iterator[mg.Receipt]:
        for row in rows:
            text = PAYLOADS[row.item_no]
            sys.stdout.write(f"{text}\n")
            control.warn(text)
            if row.item_no % 2:
                yield mg.Receipt(row.item_no, "failed", error=text)
            else:
                yield mg.Receipt(row.item_no, "copied", evidence=text, losses=text.replace(",", ";"), bytes=row.bytes)

    def close(self) -> None: ...
