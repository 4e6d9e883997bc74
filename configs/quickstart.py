"""Transfer printed letters to handwritten digits with ten labels a class.

Purpose: the embedded default; nothing is downloaded. A narrow MobileNet that
knows printed letters becomes a reader of handwritten digits (scikit-learn's,
8 x 8 pixels) from 100 labelled images. The letters' top layer is too specific
for that: a linear classifier on it loses to raw pixels. Features from an
earlier stage (conv_pw_5, stride 8), kept as a 4 x 4 map, and then fine-tuned,
win: the lectures' "linear classifier from different stages".

Commands:
  tlkeras quickstart             four figures, one seed
  tlkeras quickstart --seeds=5   the table, with paired intervals
  tlkeras train --config=configs/quickstart.py[:seed=1]   the recipe alone

Result (5 seeds, 100 labels, test accuracy): see README.md.
"""

import sys

from tlkeras.config.quickstart import get_config

__all__ = ["get_config"]

if __name__ == "__main__":
    from tlkeras.cli.main import main

    main(["tlkeras", "quickstart", *sys.argv[1:]])
