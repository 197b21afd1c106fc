"""One contestant of a suite on one workload, in a process of its own: answers JSON to each line it reads.

The first line says the loss at the fifth step, or why the contestant cannot take part. `{"steps": n}` takes
n steps and answers their time in seconds and the peak memory; an empty line ends it.
"""

import importlib
import json
import os
import resource
import sys
import time

RANKS = ("PMI_RANK", "OMPI_COMM_WORLD_RANK")  # by which launchers tell processes apart


def peak_memory() -> float:
    """The most memory this process has held so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(suite: str, contestant: str, workload: str) -> None:
    answers, sys.stdout = sys.stdout, sys.stderr  # what libraries print must not get between

    def answer(**message):
        if not any(os.environ.get(name, "0") != "0" for name in RANKS):  # the first of several answers
            print(json.dumps(message), file=answers, flush=True)

    try:
        module = importlib.import_module(suite)
        steps, details = module.CONTESTANTS[contestant](module.named(workload))
        loss = steps(getattr(module, "WARM_UP", 5))
    except ImportError as error:
        return answer(missing=str(error))
    except Exception as error:
        return answer(missing=f"{type(error).__name__}: {error}"[:300])
    answer(loss=loss, details=details)
    for line in getattr(module, "lines", iter)(sys.stdin):
        if not line.strip():
            break
        count = json.loads(line)["steps"]
        start = time.perf_counter()
        steps(count)
        answer(seconds=time.perf_counter() - start, memory=peak_memory())


if __name__ == "__main__":
    main(*sys.argv[1:])
