"""Charts in the colours of a page."""

import re

import pytest

from tlkeras.charts import (
    CSS_COLORS,
    THEME,
    chart_settings,
    new_chart,
    read_theme,
    to_svg,
    use_log_scale,
)


def test_charts_use_the_pages_colours_and_unique_ids():
    drawn = []
    for name in ("one", "two"):
        with chart_settings():
            figure, axes = new_chart()
            axes.plot([1, 2], color=THEME["train"], label="$x^2$ <b>")
            axes.set_title("$\\frac{$ no formula")
            axes.legend()
            drawn.append(to_svg(figure, name))
    ids = [set(re.findall(r'\bid="([^"]+)"', svg)) for svg in drawn]
    assert not ids[0] & ids[1]
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', drawn[0]))
    assert used <= ids[0]
    assert "var(--train)" in drawn[0]
    assert not set(CSS_COLORS.values()) & set(re.findall(r"#\w{6}", drawn[0]))
    assert "$x^2$ &lt;b&gt;" in drawn[0]


def test_the_theme_defines_every_colour_of_charts_in_light_and_dark():
    light, dark = read_theme().split("@media")
    for name, color in CSS_COLORS.items():
        assert f"--{name}: {color}" in light, name
        assert len(re.findall(rf"--{name}: #\w{{6}}\b", dark)) == 1, name
    assert len(set(CSS_COLORS.values())) == len(CSS_COLORS)


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        (0.001, 10, {"0.001", "0.01", "0.1", "1", "10"}),
        (0.15, 1.6, {"0.2", "0.5", "1"}),
        (0.5, 0.9, {"0.5", "0.6", "0.7", "0.8", "0.9"}),
    ],
)
def test_a_logarithmic_axis_has_labels_however_short(low, high, labels):
    with chart_settings():
        figure, axes = new_chart()
        axes.set_xticks([])
        use_log_scale(axes, "y")
        axes.set_ylim(low, high)
        svg = to_svg(figure, "x")
    assert set(re.findall(r"<text[^>]*>([^<]+)</text>", svg)) == labels
