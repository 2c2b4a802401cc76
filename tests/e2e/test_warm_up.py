"""No node compiles in the middle of a round: `warm_up` has had every kernel compiled before."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from numba.core.dispatcher import Dispatcher

from offchain.crypto import kernels

HERE = Path(__file__).resolve()


def compiled() -> dict[str, int]:
    """How many kinds of arguments every kernel is compiled for, in this process."""
    modules = [
        import_module(f"{kernels.__name__}.{m.name}") for m in iter_modules(kernels.__path__)
    ]
    return {
        f"{module.__name__}.{name}": len(found.signatures)
        for module in modules
        for name, found in vars(module).items()
        if isinstance(found, Dispatcher)
    }


def test_warm_up__rounds_of_two_shapes_afterwards__compile_nothing() -> None:
    done = subprocess.run(
        [sys.executable, str(HERE)],
        capture_output=True,
        text=True,
        check=False,
        cwd=HERE.parents[2],
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def main() -> None:
    """Compare before and after; ends with 1 if anything was compiled in between."""
    sys.path.insert(0, str(HERE.parents[2]))
    from bench.shapes import Shape
    from bench.verified import measure
    from offchain.crypto.warm import warm_up

    warm_up()
    before = compiled()
    assert any(before.values()), "no kernel has been compiled: nothing is watched"
    measure(Shape((17,), 900, 4, 8, 2, 4), rounds=2, processes=1)
    measure(Shape((5, 6), 8100, 1, 3, 2, 4), rounds=2, processes=1)
    late = {name for name, kinds in compiled().items() if kinds != before[name]}
    if late:
        sys.exit(f"compiled after warm_up: {sorted(late)}")


if __name__ == "__main__":
    main()
