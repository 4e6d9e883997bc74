"""Advice as sentences that a person can act on."""

from typing import Any

from tlkeras.studies.quadrants import (
    BETWEEN,
    DIFFERENT,
    DIFFERENT_ABOVE,
    LARGE_FROM,
    RECIPES,
    SIMILAR,
    SIMILAR_BELOW,
    SMALL_BELOW,
)
from tlkeras.studies.recipe_verdict import NOT_MEASURED

READINGS = {
    SIMILAR: "similar to the source",
    BETWEEN: "between similar to the source and different from it",
    DIFFERENT: "different from the source",
}


def describe_advice(result: dict[str, Any]) -> list[str]:
    """Returns what was found, one sentence a thing.

    Args:
        result: What `advice.json` holds, but for these sentences.
    """
    return [
        _similarity(result),
        _size(result["size"]),
        _curve(result["size"]["learning_curve"]),
        _profile(result["profile"]),
        *_ceiling(result["ceiling"]),
        f"the lectures' rule: {result['rule']}",
        *_measured(result),
        _verdict(result),
    ]


def _similarity(result: dict[str, Any]) -> str:
    found = result["similarity"]
    if found is None:
        return result["limits"][0]
    text = (
        f"{READINGS[found['reading']]}: distance {found['distance']:.2f} "
        f"(below {SIMILAR_BELOW} similar, above {DIFFERENT_ABOVE} different)"
    )
    if found["stops_at"]:
        text += (
            f"; from {found['stops_at']} on the network no longer recognises it"
        )
    return text


def _size(size: dict[str, Any]) -> str:
    return (
        f"{size['reading']}: {size['images_per_class']:g} training images in "
        f"the median class, {size['fewest']} .. {size['most']} (below "
        f"{SMALL_BELOW} small, from {LARGE_FROM} large)"
    )


def _curve(curve: dict[str, Any]) -> str:
    points = ", ".join(
        f"{share:g}: {accuracy:.3f}"
        for share, accuracy in zip(
            curve["shares"], curve["accuracies"], strict=True
        )
    )
    low, high = curve["interval"]
    return (
        f"the learning curve ({points}) "
        f"{'still rises' if curve['still_rises'] else 'is flat'}: the last "
        f"doubling of the images brought {curve['slope']:+.3f} [{low:+.3f}, "
        f"{high:+.3f}]"
    )


def _profile(profile: dict[str, Any]) -> str:
    earlier = sorted(set(profile["earlier"]["picked"]))
    return (
        f"linear classifiers: top {_accuracy(profile['top'])}, earlier "
        f"({', '.join(earlier)}, picked by other folds) "
        f"{_accuracy(profile['earlier'])}, raw pixels "
        f"{_accuracy(profile['raw_pixels'])}, chance {profile['chance']:.3f}; "
        f"that {RECIPES[profile['claim']['expected']]} is the better of these "
        f"{profile['claim']['verdict'].replace('_', ' ')}: "
        f"{profile['claim']['reason']}"
    )


def _ceiling(ceiling: dict[str, Any]) -> list[str]:
    if not ceiling["reached"]:
        return []
    return [
        f"the ceiling is reached: {_accuracy(ceiling)}, so that at most "
        f"{ceiling['left']:.3f} is left to gain by any recipe"
    ]


def _measured(result: dict[str, Any]) -> list[str]:
    if not result["accuracies"]:
        return []
    texts = [
        f"{RECIPES[name]} {_accuracy(value)}"
        for name, value in result["accuracies"].items()
    ]
    return [f"measured on the same folds: {'; '.join(texts)}"]


def _verdict(result: dict[str, Any]) -> str:
    expected = RECIPES[result["expected_recipe"]]
    verdict = result["verdict"].replace("_", " ")
    text = f"expected: {expected}; verdict: {verdict}, {result['reason']}"
    if result["verdict"] != NOT_MEASURED:
        text += f"; take {RECIPES[result['recommended_recipe']]}"
    return text


def _accuracy(cell: dict[str, Any]) -> str:
    low, high = cell["interval"]
    return f"{cell['accuracy']:.3f} [{low:.3f}, {high:.3f}]"


def format_advice(result: dict[str, Any]) -> str:
    """Returns the advice for people, with flags to paste."""
    lines = [f"- {sentence}" for sentence in result["sentences"]]
    return "\n".join([*lines, f"flags: {' '.join(result['flags'])}"])
