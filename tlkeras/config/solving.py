"""When a phase can be solved, so that nothing has to be fitted."""


def solve_obstacle(
    *,
    is_solvable: bool = True,
    augment: bool = False,
    trainable_from: str = "none",
    teacher: str = "",
) -> str:
    """Returns why a phase cannot be solved, or "".

    Args:
        is_solvable: Whether the head is: its row in `models.heads.HEADS`.
        augment: Whether the phase augments images.
        trainable_from: First layer that trains, as in `config/defaults.py`.
        teacher: A run that teaches the phase, or "".
    """
    if not is_solvable:
        return "the head has adaptation layers"
    if augment:
        return "the phase augments images"
    if trainable_from != "none":
        return f"the backbone trains from '{trainable_from}'"
    if teacher:
        return "it has a teacher, whose targets are no labels"
    return ""
