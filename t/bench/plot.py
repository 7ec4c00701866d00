#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""usage: plot.py TITLE X_LABEL Y_LABEL <ROWS >SVG

Draws rows of "SERIES X Y" (numbers above zero; X rising within a series) as lines over logarithmic axes,
with one dashed line each for what would be linear from its first point.  Called by the benchmarks beside it.
"""

import math
import sys
from html import escape

WIDTH, HEIGHT = 640, 400
LEFT, RIGHT, TOP, BOTTOM = 70, 130, 40, 50  # margins
COLOURS = ("#1b6ca8", "#c8553d", "#4f772d", "#7b2d8b", "#8a6d1b")


def rows_read(lines):
    """{series: [(x, y)]} of lines of text, both float."""
    series = {}
    for line in lines:
        name, x, y = line.split()
        series.setdefault(name, []).append((float(x), float(y)))
    return series


def ticks(low, high, base):
    """The powers of base (int) from low to high (float), with those just outside."""
    first, last = math.floor(math.log(low, base) + 1e-9), math.ceil(math.log(high, base) - 1e-9)
    return [float(base) ** power for power in range(first, max(last, first + 1) + 1)]


def number(value):
    return "%g" % value if value < 10000 else "{:,.0f}".format(value)


class Axis:
    """A logarithmic axis from values to pixels."""

    def __init__(self, values, begin, end):
        low, high = min(values), max(values)
        self.ticks = ticks(low, high, 2 if high / low < 200 else 10)
        self.low, self.high = self.ticks[0], self.ticks[-1]
        self.begin, self.end = begin, end

    def at(self, value):
        share = math.log(value / self.low) / math.log(self.high / self.low)
        return self.begin + share * (self.end - self.begin)


def line(points, more):
    return '<polyline fill="none" points="%s" %s/>' % (" ".join("%.1f,%.1f" % point for point in points), more)


def text(x, y, words, more=""):
    return '<text x="%.1f" y="%.1f" %s>%s</text>' % (x, y, more, escape(words))


def plot(series, title, x_label, y_label):
    """The SVG (str) of series ({name: [(x, y)]})."""
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    x_axis = Axis([x for points in series.values() for x, _ in points], LEFT, right)
    y_axis = Axis([y for points in series.values() for _, y in points], bottom, TOP)
    out = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">'
           % (WIDTH, HEIGHT), '<rect width="100%" height="100%" fill="white"/>',
           text(LEFT, TOP - 16, title, 'font-size="15"')]
    for value in x_axis.ticks:
        x = x_axis.at(value)
        out += [line([(x, TOP), (x, bottom)], 'stroke="#ddd"'), text(x, bottom + 18, number(value),
                                                                     'text-anchor="middle"')]
    for value in y_axis.ticks:
        y = y_axis.at(value)
        out += [line([(LEFT, y), (right, y)], 'stroke="#ddd"'), text(LEFT - 8, y + 4, number(value),
                                                                     'text-anchor="end"')]
    out += [text((LEFT + right) / 2, HEIGHT - 10, x_label, 'text-anchor="middle"'),
            text(16, (TOP + bottom) / 2, y_label,
                 'text-anchor="middle" transform="rotate(-90 16 %.1f)"' % ((TOP + bottom) / 2))]
    for place, (name, points) in enumerate(series.items()):
        colour = COLOURS[place % len(COLOURS)]
        x, y = points[0]
        far = min(points[-1][0], x * y_axis.high / y)
        if far > x:
            out.append(line([(x_axis.at(x), y_axis.at(y)), (x_axis.at(far), y_axis.at(y * far / x))],
                            'stroke="%s" stroke-dasharray="4 4" stroke-width="1"' % colour))
        drawn = [(x_axis.at(x), y_axis.at(y)) for x, y in points]
        out.append(line(drawn, 'stroke="%s" stroke-width="2"' % colour))
        out += ['<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>' % (*point, colour) for point in drawn]
        out.append(text(right + 10, TOP + 14 + 18 * place, name, 'fill="%s"' % colour))
    out += [text(right + 10, TOP + 14 + 18 * len(series), "dashed: linear"), "</svg>"]
    return "\n".join(out)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__.splitlines()[0])
    rows = rows_read(sys.stdin)
    if not rows:
        sys.exit("plot.py: no rows")
    print(plot(rows, *sys.argv[1:]))
