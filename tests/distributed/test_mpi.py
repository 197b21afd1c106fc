"""Programs started by mpiexec: the same bits as one process, and one end for all."""

import os
import signal
import time

import pytest
from launching import alone, finish, launch, start

TRAIN = """
import hashlib
r = risk()
found = []
for name in ("rprop", "lbfgs", "newton-cg", "adam"):
    run = minimize(r, name, w, stop=after(8), held_out=risk(penalty=None), held_out_every=3)
    found += [run.w, run.history.value, run.history.gradient_norm, np.asarray(run.best_value)]
found += [r.hessian_product(w, w), r.gauss_newton_product(w, w), np.asarray(r.value(w))]
digest = hashlib.md5(b"".join(array.tobytes() for array in found)).hexdigest()
sys.stdout.write(f"{digest} {r.samples}\\n"); sys.stdout.flush()
"""


@pytest.mark.parametrize("processes", [2, 4])
def test_bits_are_those_of_one_process(processes):
    status, out, error = launch(TRAIN, processes)
    assert status == 0, error
    assert out.split() == alone(TRAIN).split() * processes


def test_other_numbers_of_processes_give_the_same_numbers():
    program = 'run = minimize(risk(), "lbfgs", w, stop=after(8)); sys.stdout.write(f"{run.value!r}\\n")'
    status, out, error = launch(program, 3)
    assert status == 0, error
    values = [float(line) for line in out.split()]
    assert values == pytest.approx([float(alone(program))] * 3, rel=1e-10)
    assert len({*values}) == 1


# a layer that hands on its inputs times 1, and in one process, after a while, times what `late` gives
TIRED = """
class Tired(Layer):
    calls = 0
    def shapes(self, inputs):
        return {}
    def initialize(self, random, inputs):
        return {}
    def forward(self, xp, parameters, inputs):
        self.calls += 1
        return inputs * (late() if rank == 1 and self.calls > 100 else 1.0), None
    def backward(self, xp, parameters, cache, gradient, accumulate, *, input_gradient=True):
        return 1.0 * gradient
network = Network(5, Dense(8, "tanh"), Tired(), Dense(3, "softmax"))
"""

FAILURES = {
    "a layer": (
        f"""
class Broken(Exception):
    pass
def late():
    raise Broken("no more")
{TIRED}
minimize(risk(), "lbfgs", w)
""",
        "Broken: no more",
    ),
    "a callback": (
        """
def callback(step):
    if rank == 1 and step.step == 3:
        raise LookupError("lost it")
minimize(risk(), "rprop", w, callback=callback)
""",
        "LookupError: lost it",
    ),
    "a rule": (
        """
class Rule(xpnet.training.rule.Rule):
    def start(self):
        def check(progress):
            if rank == 1 and progress.steps == 3:
                raise LookupError("lost it")
            return False
        return check
    def __str__(self):
        return "never"
minimize(risk(), "rprop", w, stop=Rule())
""",
        "LookupError: lost it",
    ),
    "the data": (
        """
X[-1, 0] = np.nan
minimize(risk(), "rprop", w)
""",
        "ValueError: X contains NaN",
    ),
    "the script": (
        """
r = risk()
if rank == 1:
    raise LookupError("lost it")
minimize(r, "rprop", w)
""",
        "LookupError: lost it",
    ),
}


@pytest.mark.parametrize("where", FAILURES)
def test_a_process_that_fails_ends_all(where):
    program, sentence = FAILURES[where]
    status, _, error = launch(program, 2)
    assert status != 0
    assert f"rank 1 of 2: {sentence}" in error


def test_a_failure_that_all_know_of_can_be_caught():
    program = """
def callback(step):
    if rank == 1 and step.step == 3:
        raise LookupError("lost it")
try:
    minimize(risk(), "rprop", w, callback=callback)
except (LookupError, xpnet.distributed.RankError) as error:
    sys.stdout.write(f"{rank} {type(error).__name__} {error.run.steps}\\n")
run = minimize(risk(), "rprop", w, stop=after(2))
sys.stdout.write(f"{rank} {run.steps}\\n")
"""
    status, out, error = launch(program, 2)
    assert status == 0, error
    assert sorted(out.splitlines()) == ["0 2", "0 RankError 4", "1 2", "1 LookupError 4"]


def test_a_nan_in_one_process_ends_the_run_of_all():
    program = f"""
def late():
    return np.nan
{TIRED}
run = minimize(risk(), "rprop", w, stop=after(10**6))
finite = np.isfinite(run.w).all() and np.isfinite(run.value)
sys.stdout.write(f"{{run.outcome.name}} {{run.steps}} {{run.value!r}} {{finite}} {{run.w.sum()!r}}\\n")
"""
    status, out, error = launch(program, 2)
    assert status == 0, error
    first, second = out.splitlines()
    assert first == second
    assert first.startswith("DIVERGED ")
    assert " True " in first


@pytest.mark.parametrize("status", [0, 3])
def test_a_process_that_leaves_early_ends_those_that_wait(status):
    program = f"""
r = risk()
if rank == 1:
    sys.exit({status})
minimize(r, "rprop", w, stop=after(10**9))
"""
    got, _, error = launch(program, 2)
    assert got != 0
    assert "rank 1 of 2 has ended, and others wait for it" in error


def test_a_process_may_have_more_to_do_than_the_others():
    program = """
run = minimize(risk(), "rprop", w, stop=after(3))
if rank == 0:
    time.sleep(3)
    sys.stdout.write(f"{run.steps}\\n")
"""
    status, out, error = launch(program, 3)
    assert status == 0, error
    assert out == "3\n"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_process_that_is_killed_ends_all(number):
    program = """
sys.stdout.write(f"{rank} {os.getpid()}\\n"); sys.stdout.flush()
minimize(risk(), "rprop", w, stop=after(10**9))
"""
    process = start(program, 2)
    ids = dict(sorted(process.stdout.readline().split() for _ in range(2)))
    time.sleep(1)
    os.kill(int(ids["1"]), number)
    status, _, _ = finish(process)
    assert status != 0


@pytest.mark.parametrize("ranks", ["0", "1", "01"])
def test_an_interrupt_ends_the_run_of_all(ranks):
    program = """
def callback(step):
    if step.step == 20:
        sys.stdout.write(f"{rank} {os.getpid()}\\n"); sys.stdout.flush()
run = minimize(risk(), "rprop", w, stop=after(10**9), callback=callback)
sys.stdout.write(f"{run.outcome.name} {run.steps} {run.value!r}\\n")
"""
    process = start(program, 2)
    ids = dict(process.stdout.readline().split() for _ in range(2))
    time.sleep(0.5)
    for rank in ranks:
        os.kill(int(ids[rank]), signal.SIGINT)
    status, out, error = finish(process)
    assert status == 0, error
    first, second = out.splitlines()
    assert first == second
    assert first.startswith("INTERRUPTED ")
