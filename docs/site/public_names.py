"""The page of the Python names: mkdocstrings is told what is public."""

import tlkeras


def write_page() -> str:
    """Returns Markdown that asks for the docstring of each public name."""
    lines = [
        "# Python",
        "",
        "The names of `import tlkeras`. Each loads what it needs when it is "
        "first used; the import itself loads neither TensorFlow nor Keras.",
    ]
    for name in sorted(tlkeras.__all__, key=str.lower):
        lines += ["", f"::: tlkeras.{name}"]
    return "\n".join(lines)
