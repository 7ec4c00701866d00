#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Draws what bench/control has printed: seconds and memory against agents, with both bounds.

Reads tables of t/bench/control from stdin, of one run or several, and writes an SVG to
stdout.  Sizes whose span is 0 are a star, all others a tree:

    { bench/control; bench/control --star 1000 3000 10000; } | t/bench/plot_control.py >docs/control-plane.svg
"""

import math
import re
import sys

WIDTH, HEIGHT, LEFT, TOP, PLOT_WIDTH, PLOT_HEIGHT = 920, 380, 70, 50, 340, 260
COLOURS = {"star": "#b45309", "tree": "#1d4ed8"}
# Title, column of a row, bound at 10,000 agents, the decades of the axis.
PANELS = [("seconds until all have joined", 1, 5.0, (-3, 2)), ("memory of the head, MiB", 2, 64.0, (0, 3))]
DECADES = (0, 4)


def rows_read(lines):
    """Returns {"star": [(agents, seconds, MiB)], "tree": ...}, sorted; of a size that came
    several times the median of the seconds.  Raises ValueError when there is no table."""
    found = {"star": {}, "tree": {}}
    for line in lines:
        match = re.fullmatch(r"\s*(\d+)\s+(\d+)\s+([\d.]+)\s+[\d.]+\s+[\d.]+\s+[\d.]+\s+(\d+)\s*", line)
        if match:
            agents, span = int(match[1]), int(match[2])
            found["tree" if span else "star"].setdefault(agents, []).append((float(match[3]), int(match[4]) / 1024))
    if not any(found.values()):
        raise ValueError("no table of bench/control on stdin")
    return {
        shape: [(agents, *sorted(runs)[len(runs) // 2]) for agents, runs in sorted(sizes.items())]
        for shape, sizes in found.items()
    }


def scale(value, decades, length):
    """Where a value lies on a logarithmic axis of that many pixels."""
    first, last = decades
    return (math.log10(value) - first) / (last - first) * length


def text(x, y, words, anchor="middle", more=""):
    """An SVG text."""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {more}>{words}</text>'


def panel_draw(left, panel, rows):
    """Returns the SVG lines of one panel whose plot begins at `left`."""
    title, column, bound, decades = panel
    bottom = TOP + PLOT_HEIGHT
    lines = [text(left + PLOT_WIDTH / 2, TOP - 15, title, more='font-weight="bold"')]
    for decade in range(DECADES[0], DECADES[1] + 1):
        x = left + scale(10**decade, DECADES, PLOT_WIDTH)
        lines.append(f'<path d="M{x:.1f} {TOP}V{bottom}" stroke="#e5e7eb"/>')
        lines.append(text(x, bottom + 18, f"{10**decade:,}"))
    for decade in range(decades[0], decades[1] + 1):
        y = bottom - scale(10**decade, decades, PLOT_HEIGHT)
        lines.append(f'<path d="M{left} {y:.1f}H{left + PLOT_WIDTH}" stroke="#e5e7eb"/>')
        lines.append(text(left - 6, y + 4, f"{10.0**decade:g}", "end"))
    lines.append(text(left + PLOT_WIDTH / 2, bottom + 38, "agents"))
    y = bottom - scale(bound, decades, PLOT_HEIGHT)
    lines.append(f'<path d="M{left} {y:.1f}H{left + PLOT_WIDTH}" stroke="#b91c1c" stroke-dasharray="6 4"/>')
    lines.append(text(left + 4, y - 5, f"bound at 10,000: {bound:g}", "start", 'fill="#b91c1c"'))
    for shape, sizes in rows.items():
        points = [
            (left + scale(row[0], DECADES, PLOT_WIDTH), bottom - scale(row[column], decades, PLOT_HEIGHT)) for row in sizes
        ]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        lines.append(f'<polyline points="{path}" fill="none" stroke="{COLOURS[shape]}" stroke-width="2"/>')
        lines += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{COLOURS[shape]}"/>' for x, y in points]
        if points:
            x, y = points[-1]
            figure = f"{shape}: {sizes[-1][column]:.3g}"
            lines.append(text(x, y - 8 if shape == "star" else y + 34, figure, "end", f'fill="{COLOURS[shape]}"'))
    return lines


def main():
    """Reads, draws, prints."""
    try:
        rows = rows_read(sys.stdin)
    except ValueError as error:
        sys.exit(f"plot_control.py: {error}")
    lines = [
        "<!-- SPDX-License-Identifier: MIT -->",
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="sans-serif" font-size="12" fill="#111827">',
        "<title>The control plane as a star and as a tree: time and memory against agents</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
    ]
    for number, panel in enumerate(PANELS):
        lines += panel_draw(LEFT + number * (PLOT_WIDTH + 100), panel, rows)
    print("\n".join([*lines, "</svg>"]))


if __name__ == "__main__":
    main()
