"""Newton's method is gradient descent in variables in which every parabola is round.

**The claim.** A quadratic `1/2 w'Aw + b'w + c` becomes round by `u = A^(1/2) w`: its Hessian in `u` is the
identity, and a step of gradient descent with `eta = 1` ends in the minimum. In `w` that step is
`w -= eta A^-1 g`, Newton's; of any function it goes to the minimum of the parabola that touches it at `w`
(Newton 1669, Raphson 1690; Nocedal, Wright 2006, chapter 3). A network's Hessian is often taken block by
block, a layer or a unit at a time, as if no others were there (LeCun, Bottou, Orr, Müller 1998).

**The prediction.** The error of each step is `|1 - eta|` of the last along every axis: no `eta` above 2
converges, whatever the condition number. Dividing each axis by the root of its own curvature is enough
where the axes are those of `A`, and not where they are turned. On `cosh` a step is `w -= tanh w`, whose
error is a third of the last one's cube: seven steps from 4 to nothing. Blocks give Newton's step where they
are not coupled. In a network they are: to solve them exactly is then not to solve the problem, and the
whole Hessian, the absolute values of whose eigenvalues are taken where it is indefinite, needs fewer steps.

**Exercises.**

1. From which starts does Newton's method on `sqrt(1 + w^2)` diverge, although it has one minimum and is
   convex everywhere? What does the default line search change?
2. Turn the axis-aligned quadratic by 1, 5, 20 degrees. How fast is what the diagonal gains lost?
3. Which blocks of the network's Hessian are largest beside the diagonal ones? Why do biases and outgoing
   weights of a unit belong together?
"""

from __future__ import annotations

from typing import Any

import numpy as np

import xpnet
from xpnet import Fixed, Formula, GradientDescent, Newton, Quadratic, Scaled, analysis, plotting
from xpnet.lab import COLOURS, LINES, MARKS, Lab, Result, at_least, at_most, circle, equal, holds, panels

ROWS = ("20", "21", "44", "45", "46")
QUICK: dict[str, Any] = {"starts": 5, "steps": 60}
RATES = (0.5, 1.0, 1.5, 1.9, 2.1)
BLOCKS = {"whole": None, "layers": "layer", "units": "unit"}


def run(lab: Lab, starts: int = 20, steps: int = 200) -> Result:
    found: list[Any] = []
    start, turned = np.ones(2), _turned(lab, 0, 1.0, 100.0)
    conditions = {"aligned": _conditions(lab, np.diag([1.0, 100.0])), "turned": _conditions(lab, turned)}
    found += [
        equal("44", "aligned: condition number, diagonal scaled", conditions["aligned"][1], 1, 1e-9),
        at_least("44", "turned: condition number, diagonal scaled", conditions["turned"][1], 1.01),
        equal("44", "turned: then by the root of the matrix", conditions["turned"][2], 1, 1e-9),
    ]
    bowl, root, sizes = Quadratic(turned, backend=lab.backend), _root(turned), np.sqrt(np.diag(turned))
    whole, parts = Scaled(bowl, root), Scaled(bowl, sizes)
    paths: dict[str, Any] = {
        "none": lab.path(bowl, GradientDescent(0.01), start, 40)[0],
        "diagonal": lab.path(parts, GradientDescent(0.5), sizes * start, 40)[0] / sizes,
        "root of A": lab.path(whole, GradientDescent(0.5), root @ start, 40)[0] @ np.linalg.inv(root),
    }
    half = lab.path(bowl, Newton("ignore", Fixed(0.5)), start, 40)[0]
    identity = lab.numpy(whole.hessian(lab.array(start)))
    plane = analysis.plane(bowl, analysis.coordinate_frame([0, 0], 0, 1), ((-0.5, 1.7), (-0.5, 1.3)))
    found += [
        at_most("20", "Hessian in u, off the identity", np.abs(identity - np.eye(2)).max(), 1e-12),
        at_most("20", "descent in u, off Newton's steps", np.abs(paths["root of A"] - half).max(), 1e-12),
    ]
    steep = Quadratic(_turned(lab, 1, *np.geomspace(1.0, 1e6, 6)), backend=lab.backend)
    errors: dict[float, Any] = {}
    for rate in RATES:
        path = lab.path(steep, Newton("ignore", Fixed(rate)), np.ones(6), 30)[0]
        errors[rate] = np.linalg.norm(path, axis=1)
        if rate != 1.0:
            left = errors[rate][10] / errors[rate][9]
            found.append(equal("21", f"k = 1e6, eta = {rate}: a step leaves", left, abs(1 - rate), 1e-6))
    found += [
        at_most("21", "k = 1e6, eta = 1: one step leaves", errors[1.0][1], 1e-9),
        holds("21", "a Hessian of 1,001,000 parameters is refused, with its size", _refused(lab)),
    ]
    cosh = Formula(lambda xp, w: xp.cosh(w[..., 0]), backend=lab.backend)
    at = lab.path(cosh, Newton("ignore", Fixed(1.0)), [4.0], 9)[0][:, 0]
    found += [
        equal("45", "cosh: steps from 4 to 1e-12", np.argmax(np.abs(at) < 1e-12), 7),
        equal("45", "cosh: error / a third of the last one's cube", 3 * at[5] / at[4] ** 3, 1, 0.1),
    ]
    apart, blocks = np.zeros((6, 6)), (range(2), range(2, 4), range(4, 6))
    for k, block in enumerate(blocks):
        apart[np.ix_(block, block)] = _turned(lab, k, 1.0, 10.0)
    uncoupled = Quadratic(apart, backend=lab.backend)
    ends = [lab.path(uncoupled, Newton(blocks=own), np.ones(6), 2)[0][1] for own in (None, blocks)]
    found.append(at_most("46", "uncoupled, off Newton's step", np.abs(ends[1] - ends[0]).max(), 1e-12))

    risk, norms = _risk(lab), dict[str, Any]()
    w = risk.initialize(lab.seed, starts)
    methods: dict[str, Any] = {name: Newton(blocks=blocks) for name, blocks in BLOCKS.items()}
    methods["gradient descent"] = GradientDescent(0.5)
    for name, method in lab.each([*methods.items()], "network"):
        seen = xpnet.minimize(risk, method, w, stop=xpnet.after(steps), check_every=1).history.gradient_norm
        norms[name] = np.median(np.fmin.accumulate(seen, axis=0), axis=1)
    told = xpnet.minimize(risk, Newton("error"), w[0], stop=xpnet.after(steps)).reason
    many = {name: int(np.sum(norm > 1e-6)) for name, norm in norms.items()}
    found += [
        holds("21", "network: an indefinite Hessian is told, if asked", "not positive definite" in told),
        at_most("46", "network: steps to a gradient of 1e-6, whole", many["whole"], steps - 1),
        *(at_least("46", f"{k}: steps / whole", many[k] / many["whole"], 1.5) for k in [*methods][1:]),
    ]
    best = xpnet.minimize(risk, Newton(), w[0], stop=xpnet.gradient_below(1e-8) | xpnet.after(steps)).w
    numbers: Any = {"plane": plane, "paths": paths, "errors": errors, "cosh": at[:4], "norms": norms}
    numbers |= {"conditions": conditions, "hessian": np.abs(lab.numpy(risk.hessian(best)))}
    return Result(numbers, tuple(found))


def _turned(lab: Lab, key: int, *curvatures: float) -> Any:
    """A symmetric matrix with these eigenvalues, along axes of chance; with two, turned by 30 degrees."""
    turn = np.array([[0.75**0.5, -0.5], [0.5, 0.75**0.5]])
    if len(curvatures) > 2:
        turn = np.linalg.qr(lab.random(key).standard_normal((len(curvatures),) * 2))[0]
    return (turn * curvatures) @ turn.T


def _root(A: Any) -> Any:
    values, vectors = np.linalg.eigh(A)
    return (vectors * np.sqrt(values)) @ vectors.T


def _conditions(lab: Lab, A: Any) -> tuple[float, ...]:
    """The condition number of a quadratic: as it is, scaled by its diagonal, and then by its root."""
    bowl, w = Quadratic(A, backend=lab.backend), lab.array(np.ones(len(A)))
    first = Scaled(bowl, np.sqrt(np.diag(A)))
    second = Scaled(first, _root(lab.numpy(first.hessian(w))))
    return tuple(analysis.condition_number(objective, w) for objective in (bowl, first, second))


def _refused(lab: Lab) -> bool:
    """Whether a Hessian of some terabytes is refused by what it would take."""
    large, data = xpnet.Network(1000, xpnet.Dense(1000)), np.ones((1, 1000))
    risk = xpnet.EmpiricalRisk(large, "squared_error", data, data, backend=lab.backend)
    try:
        risk.hessian(risk.initialize(lab.seed))
    except MemoryError as error:
        return "B" in str(error)
    return False


def _risk(lab: Lab) -> xpnet.EmpiricalRisk:
    """Of a network that tells the inside of a circle from the outside, with a small penalty."""
    X, inside = circle(lab)
    net, penalty = xpnet.Network(2, xpnet.Dense(5, "tanh"), xpnet.Dense(1, "sigmoid")), xpnet.L2(1e-3, True)
    where: Any = {"backend": lab.backend, "dtype": "float64", "penalty": penalty}
    return xpnet.EmpiricalRisk(net, "binary_cross_entropy", X, inside, **where)


def draw(result: Result) -> Any:
    figure, ((fits, surface, bars), (rates, steps, blocks)) = panels(2, 3)
    fits.plot(x := np.linspace(-1.5, 4.5, 200), np.cosh(x), color="black", label="cosh")
    for k, w in enumerate(result["cosh"], 1):
        fit = np.cosh(w) + np.sinh(w) * (x - w) + np.cosh(w) * (x - w) ** 2 / 2
        fits.plot(x, fit, color=COLOURS[k], linestyle=LINES[k], label=f"parabola at {w:.2f}")
        fits.plot(w, np.cosh(w), marker=MARKS[k], color=COLOURS[k])
    fits.set(title="a step goes to the parabola's minimum", xlabel="w", ylabel="value", ylim=(-30, 45))
    plotting.contours(result["plane"], surface, paths=result["paths"], bar=False)
    surface.set_title("descent in scaled variables, k = 100")
    for k, (name, numbers) in enumerate(result["conditions"].items()):
        bars.bar(np.arange(3) + 0.4 * k - 0.2, numbers, 0.4, label=name)
    bars.set(title="condition numbers", xlabel="scaled by", ylabel="condition number", yscale="log")
    bars.set_xticks(range(3), ["nothing", "the diagonal", "then the root"])
    for k, (rate, errors) in enumerate(result["errors"].items()):
        rates.semilogy(np.maximum(errors, 1e-16), linestyle=LINES[k], label=f"eta = {rate}")
    rates.set(title="Newton's steps times eta", xlabel="step", ylabel="distance", ylim=(1e-17, 1e12))
    for k, (name, norms) in enumerate(result["norms"].items()):
        steps.semilogy(np.maximum(norms, 1e-16), linestyle=LINES[k], label=name)
    steps.set(title="network: the Hessian in blocks", xlabel="step", ylabel="gradient norm, median")
    image = blocks.imshow(np.log10(np.maximum(result["hessian"], 1e-6)), cmap="Greys")
    blocks.set(title="its Hessian at a minimum", xlabel="parameter", ylabel="parameter")
    figure.colorbar(image, ax=blocks, label="log10 of the size")
    for panel, place in ((fits, "lower left"), (bars, "best"), (rates, "upper right"), (steps, "best")):
        panel.legend(loc=place)
    return figure
