"""What a fog, or an audit, makes of a verified sum: the next model, integers from integers."""

from collections.abc import Sequence
from fractions import Fraction

from offchain.learning.digits import DigitEncoding
from offchain.learning.encoding import UpdateEncoding
from offchain.learning.models import Model
from offchain.learning.solving import Solution, SolvingMethod, Sums


class ModelSolver:
    """Solves for the next model in integers: the same bits everywhere.

    Parameters
    ----------
    model, method, l2
        What is trained, and how.
    encoding
        Gives a model's integers their unit.
    digits
        Encoding of the updates.
    """

    def __init__(
        self,
        model: Model,
        method: SolvingMethod,
        l2: float,
        encoding: UpdateEncoding,
        digits: DigitEncoding,
    ) -> None:
        self._model = model
        self._method = method
        self._l2 = l2
        self._unit = Fraction(encoding.step) / 2**encoding.fraction_bits
        self._digits = digits
        self._last: tuple[object, Solution] | None = None  # asked for again when it converged

    def next_model(self, model: Sequence[int], total: Sequence[int], samples: int) -> list[int]:
        """Return the next model's integers; errors as `SolvingMethod.solve`."""
        return [round(value / self._unit) for value in self.solution(model, total, samples).theta]

    def converged(self, model: Sequence[int], total: Sequence[int], samples: int) -> bool:
        """Whether rounds after this one would change nothing that matters."""
        return self._method.converged(self.solution(model, total, samples))

    def solution(self, model: Sequence[int], total: Sequence[int], samples: int) -> Solution:
        """Return what `next_model` rounds to integers.

        Raises
        ------
        NoSolution
            When the sum gives no model.
        """
        asked = (tuple(model), tuple(total), samples)
        if self._last is not None and self._last[0] == asked:
            return self._last[1]
        theta = [value * self._unit for value in model[1 : 1 + self._model.parameter_count]]
        values = self._digits.decode_sum(total)
        sums = Sums(values, Fraction(self._digits.step), samples, self._l2)
        solution = self._method.solve(self._model, theta, sums)
        self._last = asked, solution
        return solution
