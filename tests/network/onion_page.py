# SPDX-License-Identifier: BSD-3-Clause
"""A page that draws an onion service's circuits as they were: the visitor on the left, the service on
the right, and between them, a row each, the relays at which they meet. It needs nothing but itself."""

import html
import os

from six_steps import TITLES

WIDTH, TOP, ROW, GROUP, SIDE = 1120, 30, 44, 26, 92
CENTRE, BOX_W, BOX_H = WIDTH / 2, 96, 28
DIRECTORIES_MAX = 6
VISITOR, SERVICE = "#2a78d6", "#2f9e62"
STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:1160px;margin:2em auto;padding:0 1em;color:#1b1b1b;
background:#fdfdfc}
h1{font-size:1.5em}h2{font-size:1.15em;margin-top:2em}
table{border-collapse:collapse;font-size:.92em}td{padding:.15em 1em .15em 0;vertical-align:top}
td.n{text-align:right;font-variant-numeric:tabular-nums}td.n,td.s{white-space:nowrap}
.wide{overflow-x:auto}svg{min-width:900px;width:100%;height:auto}
svg text{font:13px system-ui,sans-serif;fill:currentColor;text-anchor:middle}
svg text.side{font-weight:600;font-size:15px}svg text.small{font-size:12px;opacity:.8}
svg text.step{font-weight:600}
svg rect{fill:#fdfdfc;stroke:#8a8f98}svg rect.ours{fill:#fbe7c6;stroke:#d9822b}
svg rect.meet{stroke-width:2.5}svg rect.end{fill:none;stroke-width:2}
.note{opacity:.75}code{font-size:.9em;overflow-wrap:anywhere}
@media(prefers-color-scheme:dark){body{color:#e8e8e4;background:#191918}
svg rect{fill:#191918}svg rect.ours{fill:#4a3516}}
"""


class Row:
    """A meeting place, and who has come there by which circuits (guard first, without the place)."""

    def __init__(self, place, left, right, label, left_step="", right_step=""):
        self.place, self.label = place, label
        self.left, self.right = left[:-1], right[:-1]
        self.comes = (bool(left), bool(right))
        self.steps = left_step, right_step


def rows_of(steps):
    rows, directories = [], list(steps.uploads)
    asked = steps.fetch[-1] if steps.fetch else None
    directories.sort(key=lambda name: name != asked)
    for name in directories[:DIRECTORIES_MAX]:
        rows.append(Row(name, steps.fetch if name == asked else [], steps.uploads[name], "directory",
                        "③ asks for the descriptor", "② descriptor"))
    point = steps.asked[-1] if steps.asked else None
    for name, path in steps.intro.items():
        rows.append(Row(name, steps.asked if name == point else [], path, "introduction point",
                        "④ introduction", "① introduction point"))
    left, right = steps.meeting
    if left or right:
        rows.append(Row((left or right)[-1], left, right, "rendezvous point", "③ cookie, ⑥ conversation",
                        "⑤ rendezvous, ⑥ conversation"))
    return rows


# ---- the drawing

def text(x, y, words, kind=""):
    return f'<text x="{x:.0f}" y="{y:.0f}" class="{kind}">{html.escape(words)}</text>'


def box(x, y, name, kind, ours):
    kind += " ours" if name in ours else ""
    return (f'<rect x="{x - BOX_W / 2:.0f}" y="{y - BOX_H / 2:.0f}" width="{BOX_W}" height="{BOX_H}" '
            f'rx="6" class="{kind.strip()}"/>' + text(x, y + 4.5, name))


def line(x1, x2, y, colour, width):
    return (f'<line x1="{x1:.0f}" y1="{y:.0f}" x2="{x2:.0f}" y2="{y:.0f}" stroke="{colour}" '
            f'stroke-width="{width}"/>')


def half(y, hops, begin, colour, width, ours):
    """A circuit from one side, whose edge is at `begin`, to the place in the middle."""
    room = abs(CENTRE - begin) - BOX_W / 2
    step = (room + BOX_W) / (len(hops) + 1)
    towards = 1 if begin < CENTRE else -1
    return [line(begin, CENTRE, y, colour, width)] + [
        box(begin + towards * (step * (i + 1) - BOX_W / 2), y, name, "", ours)
        for i, name in enumerate(hops)]


def draw(rows, ours):
    groups = len({row.label for row in rows})
    height = TOP + ROW * len(rows) + GROUP * (groups - 1) + 10
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
             'color="currentColor">']
    last, y = None, TOP - ROW / 2
    for row in rows:
        y += ROW + (GROUP if last and last != row.label else 0)
        width = 4 if row.label == "rendezvous point" else 2
        for comes, hops, begin, colour, words in (
                (row.comes[0], row.left, SIDE, VISITOR, row.steps[0]),
                (row.comes[1], row.right, WIDTH - SIDE, SERVICE, row.steps[1])):
            if comes:
                parts += half(y, hops, begin, colour, width, ours)
                if begin == SIDE or last != row.label:
                    parts.append(text((begin + CENTRE) / 2, y - BOX_H / 2 - 5, words, "small"))
        parts.append(box(CENTRE, y, row.place, "meet", ours))
        if last != row.label:
            parts.append(text(CENTRE, y - BOX_H / 2 - 5, row.label, "small"))
        last = row.label
    for x, words, colour in ((SIDE / 2, "visitor", VISITOR), (WIDTH - SIDE / 2, "service", SERVICE)):
        parts.append(f'<rect x="{x - SIDE / 2 + 2:.0f}" y="{TOP - 18:.0f}" width="{SIDE - 4}" '
                     f'height="{height - TOP + 14:.0f}" rx="8" class="end" style="stroke:{colour}"/>')
        parts.append(text(x, TOP + (height - TOP) / 2, words, "side"))
    return "\n".join([*parts, "</svg>"])


# ---- the page

def write(directory, steps, ours, results):
    """Leaves onion.html in `directory`: `steps` as of SixSteps, `ours` the nicknames of ramson's relays,
    `results` pairs of a
    command that visited, and what came of it. Returns its path."""
    rows = rows_of(steps)
    more = len(steps.uploads) - DIRECTORIES_MAX
    items = "\n".join(f'<tr><td class="n">{s.at:.1f} s</td><td class="n">{s.number}</td>'
                      f'<td class="s">{TITLES[s.number - 1]}</td><td>{html.escape(s.text)}</td></tr>'
                      for s in steps.steps)
    notes = "".join(f"<p><code>{html.escape(command)}</code><br>{html.escape(result)}</p>\n"
                    for command, result in results)
    others = f'<p class="note">{more} more directories have the descriptor.</p>' if more > 0 else ""
    page = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>An onion service, met</title><style>{STYLE}</style></head>
<body>
<h1>An onion service on ramson, and how it was met</h1>
<p>Neither side learns where the other is: each builds circuits from its own guard to a relay in the
middle. Blue are the visitor's circuits, green the service's; the guard is next to its owner. Relays that
are ramson are orange, all others are tor.</p>
<div class="wide">{draw(rows, ours)}</div>
{others}
<p class="note">The conversation goes through {conversation(steps)} relays; the rendezvous point is the
visitor's last and the service's, too.</p>
{notes}
<h2>As it happened</h2>
<table>{items}</table>
</body></html>
"""
    os.makedirs(directory, exist_ok=True)
    path = os.path.join(directory, "onion.html")
    with open(path, "w") as file:
        file.write(page)
    return path


def conversation(steps):
    left, right = steps.meeting
    return max(0, len(left) + len(right) - 1)
