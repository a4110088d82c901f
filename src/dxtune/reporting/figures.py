"""Small figures as inline SVG: the same numbers give the same text, and CSS classes colour them for light, dark and print.

All text goes through `Markup.format`, which escapes it: labels come from data.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

LEFT, RIGHT, TOP, BOTTOM = 56, 14, 12, 40


@dataclass(frozen=True)
class Line:
    """One line of a chart: its points, and the CSS class that draws it. A name is written at its end."""

    xs: Sequence[float]
    ys: Sequence[float]
    style: str = "line"
    name: str = ""
    dots: bool = False
    name_below: bool = False


@dataclass(frozen=True)
class Axis:
    """What an axis shows, and from where to where."""

    label: str
    low: float = 0.0
    high: float = 1.0

    def ticks(self, wanted: int = 5) -> list[float]:
        """Round numbers within the axis, about as many as wanted.

        >>> Axis("epoch", 1, 4).ticks()
        [1.0, 2.0, 3.0, 4.0]
        """
        span = (self.high - self.low) or 1.0
        rough = 10.0 ** math.floor(math.log10(span / wanted))
        step = min((rough * factor for factor in (1, 2, 5, 10)), key=lambda size: abs(span / size - wanted))
        if self.low == int(self.low) and self.high == int(self.high) and span >= 2:
            step = max(step, 1.0)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [round(number * step, 10) for number in range(first, last + 1)]


def square_chart(line: Line, x: Axis, y: Axis, description: str, diagonal: bool = False) -> Markup:
    """An SVG chart of one line on two axes from 0 to 1; `diagonal` adds the line y = x."""
    reference = [Line([0, 1], [0, 1], "reference")] if diagonal else []
    return _chart([*reference, line], x, y, description, (330, 280))


def wide_chart(lines: Sequence[Line], x: Axis, y: Axis, description: str) -> Markup:
    """An SVG chart of lines that is wider than high: something over time."""
    return _chart(lines, x, y, description, (480, 250))


def _chart(lines: Sequence[Line], x: Axis, y: Axis, description: str, size: tuple[int, int]) -> Markup:
    width, height = size

    def at_x(value: float) -> float:
        return round(LEFT + (width - LEFT - RIGHT) * (value - x.low) / ((x.high - x.low) or 1), 1)

    def at_y(value: float) -> float:
        return round(height - BOTTOM - (height - TOP - BOTTOM) * (value - y.low) / ((y.high - y.low) or 1), 1)

    parts = []
    for tick in y.ticks():
        parts.append(_element("line", cls="grid", x1=LEFT, x2=width - RIGHT, y1=at_y(tick), y2=at_y(tick)))
        parts.append(_text(f"{tick:g}", LEFT - 8, at_y(tick) + 4, "tick end"))
    for tick in x.ticks(5 if width < 400 else 7):
        parts.append(_element("line", cls="grid", x1=at_x(tick), x2=at_x(tick), y1=TOP, y2=height - BOTTOM))
        parts.append(_text(f"{tick:g}", at_x(tick), height - BOTTOM + 17, "tick middle"))
    for line in lines:
        every = max(1, len(line.xs) // 400)
        points = [(at_x(a), at_y(b)) for a, b in zip(line.xs[::every], line.ys[::every], strict=True)]
        parts.append(_element("polyline", cls=line.style, points=" ".join(f"{a},{b}" for a, b in points)))
        if line.dots:
            parts += [_element("circle", cls=f"dot {line.style}-dot", cx=a, cy=b, r=3.5) for a, b in points]
        if line.name and points:
            (end, height_there), beside = points[-1], 20 if line.name_below else -10
            parts.append(_text(line.name, end - 6, height_there + beside, f"name end {line.style}-name"))
    parts.append(_text(x.label, (LEFT + width - RIGHT) / 2, height - 5, "label middle"))
    middle = (TOP + height - BOTTOM) / 2
    parts.append(
        Markup('<text class="label middle" transform="translate(11 {}) rotate(-90)">{}</text>').format(middle, y.label)
    )
    return _svg(width, height, parts, description)


@dataclass(frozen=True)
class Estimate:
    """One row of a comparison: a value, its interval where there is one, and the CSS class that draws it."""

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    style: str = "other"


def comparison(rows: Sequence[Estimate], description: str) -> Markup:
    """Values from 0 to 1 under each other, each a bar with its interval: model, baselines and ceiling at a glance."""
    width, left, right, step = 440, 152, 46, 32
    height = step * len(rows) + 24

    def at(value: float) -> float:
        return round(left + (width - left - right) * min(max(value, 0.0), 1.0), 1)

    bottom = height - 20
    parts = []
    for tick in (0, 0.25, 0.5, 0.75, 1):
        parts.append(_element("line", cls="grid", x1=at(tick), x2=at(tick), y1=2, y2=bottom))
        parts.append(_text(f"{tick:g}", at(tick), height - 5, "tick middle"))
    for number, row in enumerate(rows):
        middle = step * number + step / 2
        parts.append(_text(row.name, left - 12, middle + 4, f"row end {row.style}-row"))
        size = round(at(row.value) - at(0), 1)
        parts.append(_element("rect", cls=f"bar {row.style}-bar", x=at(0), y=middle - 8, width=size, height=16, rx=3))
        if row.low is not None and row.high is not None:
            parts.append(_whisker(at(row.low), at(row.high), middle, 5))
        parts.append(_text(f"{row.value:.3f}", width - 2, middle + 4, f"figure end {row.style}-row"))
    return _svg(width, height, parts, description)


def interval_bar(estimate: Estimate, axis: Axis, reference: float | None = None) -> Markup:
    """A point with its interval on a shared axis, as wide as a table cell; `reference` draws a line across the rows."""
    width, height = 180, 22

    def at(value: float) -> float:
        inside = min(max(value, axis.low), axis.high)
        return round(5 + (width - 10) * (inside - axis.low) / ((axis.high - axis.low) or 1), 1)

    parts = [_element("line", cls="track", x1=5, x2=width - 5, y1=height / 2, y2=height / 2)]
    if reference is not None:
        parts.append(_element("line", cls="reference", x1=at(reference), x2=at(reference), y1=0, y2=height))
    if estimate.low is not None and estimate.high is not None:
        parts.append(_whisker(at(estimate.low), at(estimate.high), height / 2, 4))
    parts.append(_element("circle", cls="dot line-dot", cx=at(estimate.value), cy=height / 2, r=4))
    return _svg(width, height, parts, f"{estimate.name}: {estimate.value:.3f}", small=True)


def share_bar(share: float, name: str) -> Markup:
    """A share from 0 to 1 as a filled bar, as wide as a table cell."""
    parts = [
        _element("rect", cls="bar track-bar", x=0, y=7, width=180, height=8, rx=4),
        _element("rect", cls="bar model-bar", x=0, y=7, width=round(180 * min(max(share, 0.0), 1.0), 1), height=8, rx=4),
    ]
    return _svg(180, 22, parts, f"{name}: {share:.3f}", small=True)


def confusion_matrix(counts: Mapping[tuple[str, str], int], labels: Sequence[str], description: str) -> Markup:
    """Counts of (actual, predicted) label names; the colour is the share of the actual label's notes."""
    longest = max((len(_short(label)) for label in labels), default=0)
    cell, left = (34 if len(labels) <= 14 else 26), 34 + 6.6 * longest
    top = 26 + 4.9 * longest
    width, height = left + cell * len(labels) + 5 * longest, top + cell * len(labels) + 4
    totals = {label: sum(number for (actual, _), number in counts.items() if actual == label) for label in labels}
    parts = [
        _text("predicted", left + cell * len(labels) / 2, 12, "label middle"),
        Markup('<text class="label middle" transform="translate(11 {}) rotate(-90)">actual</text>').format(
            round(top + cell * len(labels) / 2, 1)
        ),
    ]
    for row, actual in enumerate(labels):
        y = top + cell * row
        parts.append(_text(_short(actual), left - 8, y + cell / 2 + 4, "row end"))
        turned = Markup('<text class="row" transform="translate({} {}) rotate(-45)">{}</text>')
        parts.append(turned.format(round(left + cell * row + cell / 2 + 2, 1), round(top - 7, 1), _short(actual)))
        for column, predicted in enumerate(labels):
            number, x = counts.get((actual, predicted), 0), left + cell * column
            share = number / totals[actual] if totals[actual] else 0.0
            box = {"x": round(x + 1, 1), "y": round(y + 1, 1), "width": cell - 2, "height": cell - 2, "rx": 3}
            parts.append(_element("rect", cls="empty", **box))
            if number:
                parts.append(_element("rect", cls="heat", fill_opacity=round(0.12 + 0.88 * share, 3), **box))
                shade = "on-dark" if share > 0.5 else "on-light"
                parts.append(_text(str(number), x + cell / 2, y + cell / 2 + 4, f"count middle {shade}"))
    return _svg(round(width), round(height), parts, description)


def _short(label: str, most: int = 28) -> str:
    return label if len(label) <= most else label[: most - 1] + "…"


def _whisker(low: float, high: float, y: float, half: float) -> Markup:
    ends = [_element("line", cls="whisker", x1=x, x2=x, y1=y - half, y2=y + half) for x in (low, high)]
    return Markup("").join([_element("line", cls="whisker", x1=low, x2=high, y1=y, y2=y), *ends])


def _element(tag: str, cls: str, **attributes: float | str) -> Markup:
    written = Markup("").join(Markup(' {}="{}"').format(name.replace("_", "-"), value) for name, value in attributes.items())
    return Markup('<{} class="{}"{}/>').format(tag, cls, written)


def _text(text: str, x: float, y: float, cls: str) -> Markup:
    return Markup('<text class="{}" x="{}" y="{}">{}</text>').format(cls, round(x, 1), round(y, 1), text)


def _svg(width: float, height: float, parts: Sequence[Markup], description: str, small: bool = False) -> Markup:
    size = Markup(' width="{}" height="{}"').format(width, height) if small else Markup("")
    opening = Markup('<svg viewBox="0 0 {} {}"{} role="img" aria-label="{}">').format(width, height, size, description)
    return opening + Markup("").join(parts) + Markup("</svg>")
