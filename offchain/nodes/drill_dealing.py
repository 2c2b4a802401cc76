"""A dealer that changes its own dealing, and signs what it has made of it."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from msgspec.structs import replace

from offchain.crypto import polynomial, sealing
from offchain.crypto import sharing as vss
from offchain.crypto.curve import G1_GENERATOR
from offchain.crypto.field import FieldVector, R, scalar_bytes
from offchain.crypto.merkle import MerkleTree
from offchain.crypto.randomness import Randomness
from offchain.errors import VerifogError
from offchain.nodes.drill_stage import Stage
from offchain.protocol import masking, selected_set, sharing
from offchain.protocol.device import Device
from offchain.protocol.messages import Deal, SealedShare, Witness, parse_envelope

ANOTHER_POINT = (G1_GENERATOR + G1_GENERATOR).to_compressed_bytes()


class DrillBroken(VerifogError):
    """A drill found a node in a state that it did not expect."""


def bumped(element: bytes) -> bytes:
    """The scalar after it."""
    return ((int.from_bytes(element, "big") + 1) % R).to_bytes(32, "big")


class Dealer:
    """A device that has dealt in the round in hand, and what it may do to its dealing.

    Parameters
    ----------
    stage
        Where it plays.
    device
        The dealer.

    Raises
    ------
    DrillBroken
        When the device has not dealt.
    """

    def __init__(self, stage: Stage, device: Device) -> None:
        self.run, self.device = stage, device
        state = device._round
        if state is None or state.selection is None or state.update is None:
            raise DrillBroken(f"dealer: device {device.index} has not dealt in this round")
        self.selected: selected_set.SelectedSet = state.selection
        self.round = state.opened.round
        self.cluster = device.roster.cluster
        self.context = self.selected.context(stage.task, self.round, self.cluster)
        self._update: masking.MaskedUpdate = state.update

    def witness(self, deal: Deal) -> Witness:
        """The witness in a deal."""
        message = parse_envelope(self.run.domain, deal.witness)[1]
        if not isinstance(message, Witness):
            raise DrillBroken(f"deal: a {type(message).__name__} stands in the witness's place")
        return message

    def with_witness(self, deal: Deal, **changes: object) -> Deal:
        """The deal with a changed witness, signed anew."""
        false = replace(self.witness(deal), **changes)
        return replace(deal, witness=self.run.signed(self.device, false))

    def sealed(self, recipient: int, share: bytes, path: tuple[bytes, ...]) -> SealedShare:
        """A share for a recipient."""
        member = self.device.roster.members[recipient]
        box = sealing.seal(
            msgspec.msgpack.encode(sharing._SealedContent(share, path)),
            sealing.parse_sealing_public_key(member.sealing_key),
            sharing._associated(self.context, self.device.address, member.account),
            Randomness(bytes(32)),
        )
        return SealedShare(recipient, box)

    def open(self, deal: Deal, recipient: int) -> sharing._SealedContent:
        """What a recipient gets of a deal."""
        box = next(share.sealed for share in deal.shares if share.recipient == recipient)
        peer = self.run.devices[self.cluster][recipient]
        associated = sharing._associated(self.context, self.device.address, peer.address)
        return sharing._unseal(peer._keys.sealing, box, associated)

    def with_share(self, deal: Deal, share: SealedShare) -> Deal:
        """The deal with one share replaced."""
        shares = tuple(share if s.recipient == share.recipient else s for s in deal.shares)
        return replace(deal, shares=shares)

    def deal_with_a_wrong_share(self, recipients: tuple[int, ...]) -> Deal:
        """Deal anew, with wrong shares under the root for some: only their evaluation is false."""
        task, selected, update = self.run.task, self.selected, self._update
        parameters = selected.sharing_parameters(task)
        honest = vss.deal(
            task.key,
            parameters,
            update.vector,
            update.commitment,
            context=self.context,
            dealer=self.device.address,
            randomness=Randomness(bytes(32)),
        )
        wrong = {selected_set.coordinate(index) for index in recipients}
        shares = {x: self.wrong(s) if x in wrong else s for x, s in honest.shares.items()}
        tree = MerkleTree([vss.share_hash(x, share) for x, share in shares.items()])
        rho = vss.share_challenge(
            parameters,
            update.commitment,
            tree.root,
            context=self.context,
            dealer=self.device.address,
        )
        # P goes through the honest shares, folded by the challenge of the new root.
        xs = parameters.recipients[: parameters.needed]
        folded = [self._fold(honest.shares[x], rho) for x in xs]
        coefficients = polynomial.interpolate(xs, folded)
        coefficients += [0] * (parameters.needed - len(coefficients))
        opening = task.key.open_at(update.vector, rho)
        deal = Deal(
            round=self.round,
            cluster=self.cluster,
            index=self.device.index,
            witness=self.run.signed(
                self.device,
                Witness(
                    round=self.round,
                    cluster=self.cluster,
                    index=self.device.index,
                    selection=selected.root,
                    count=len(selected.indices),
                    commitment=update.commitment.to_bytes(),
                    root=tree.root,
                    polynomial=tuple(scalar_bytes(value) for value in coefficients),
                    opened=scalar_bytes(opening.value),
                    proof=opening.to_bytes()[-48:],
                ),
            ),
            shares=(),
        )
        boxes = []
        for place, index in enumerate(selected.indices):
            if index != self.device.index:
                share = shares[selected_set.coordinate(index)].to_bytes()
                boxes.append(self.sealed(index, share, tree.path(place)))
        return replace(deal, shares=tuple(boxes))

    def _fold(self, share: FieldVector, rho: int) -> int:
        layout = self.run.task.layout
        parts = share.horner_blocks(rho, layout.block)
        return polynomial.evaluate(parts, pow(rho, layout.capacity, R))

    @staticmethod
    def wrong(share: FieldVector) -> FieldVector:
        """Another share."""
        return share + FieldVector.from_ints([1, *([0] * (len(share) - 1))])


# ---- false dealings, by what is false

FalseDeal = Callable[[Dealer, Deal], Deal]


def wrong_share(dealer: Dealer, deal: Deal) -> Deal:
    """The share of the last recipient but one contradicts the witness."""
    del deal
    return dealer.deal_with_a_wrong_share((3,))


def altered_constant_of_the_polynomial(dealer: Dealer, deal: Deal) -> Deal:
    """P no longer folds to the opened value."""
    first, *rest = dealer.witness(deal).polynomial
    return dealer.with_witness(deal, polynomial=(bumped(first), *rest))


def wrong_proof(dealer: Dealer, deal: Deal) -> Deal:
    """The opening of the commitment is false."""
    return dealer.with_witness(deal, proof=ANOTHER_POINT)


def falsify(stage: Stage, culprit: Device, change: FalseDeal) -> None:
    """Let a device change what it hands in."""
    stage.alter(culprit, Deal, lambda deal: change(Dealer(stage, culprit), deal))
