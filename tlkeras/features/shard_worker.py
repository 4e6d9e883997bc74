"""`python -m tlkeras.features.shard_worker PARENT BUNDLE FOLDER`: runs tasks.

They come as lines on standard input; each is answered by one line of JSON. The
process ends with the one that started it.
"""

import json
import os
import sys
import traceback
from pathlib import Path

from tlkeras.errors import InputError
from tlkeras.features.shard_task import ShardWorker
from tlkeras.features.task_folder import TaskFolder
from tlkeras.features.tasks import ShardTask
from tlkeras.processes import end_with_parent


def main(bundle: Path, folder: TaskFolder) -> None:
    """Runs tasks until no more come.

    Args:
        bundle: Directory of the bundle.
        folder: Of the tasks.
    """
    answers = os.dup(1)
    os.dup2(2, 1)  # what libraries print is no answer
    worker = None
    for line in sys.stdin:
        try:
            worker = worker or ShardWorker(bundle, folder)
            answer = {"record": worker.run(ShardTask.decode(line)).encode()}
        except InputError as error:
            answer = {"input_error": str(error)}
        except Exception as error:  # the one who waits must hear of any
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}"}
        os.write(answers, f"{json.dumps(answer)}\n".encode())


if __name__ == "__main__":
    end_with_parent(int(sys.argv[1]))
    main(Path(sys.argv[2]), TaskFolder(Path(sys.argv[3])))
