"""The model that a device has checked before: what makes the check of the next one cheap.

S takes k c from the model (specification, section 2.3): COM(theta') = COM(theta) - k COM(c), where
the sum c has shorter slots than the models have. Whoever knows COM(theta) commits to
c = (theta - theta') / k, and so to theta'. This is algebra, true of any two vectors: from a vector
that no such sum leads to it gives the right commitment too, only later.
"""

from dataclasses import dataclass, field

from offchain.crypto.commitment import Commitment, CommitmentKey
from offchain.crypto.field import FieldVector, inverse


@dataclass
class HeldModel:
    """A model with its commitment, and the factors by which S has changed it since."""

    vector: FieldVector | None = None
    commitment: Commitment | None = None
    _factors: set[int] = field(default_factory=set)

    def change(self, factor: int) -> None:
        """S took `factor` times a sum from its model; 0 if it left it as it was."""
        if factor:
            self._factors.add(factor)

    def commit(self, key: CommitmentKey, model: FieldVector) -> Commitment:
        """Commit to a model; fast when one factor leads to it from the model that is held."""
        if self.vector is None or self.commitment is None or len(self._factors) > 1:
            return key.commit(model)
        if model == self.vector:
            return self.commitment
        if not self._factors:
            return key.commit(model)
        (factor,) = self._factors
        change = (self.vector - model).scale(inverse(factor))
        return self.commitment - key.commit(change).scale(factor)
