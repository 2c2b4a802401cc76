"""A dealer that may change its own dealing, and signs what it has made of it."""

from unittest.mock import patch

import msgspec
from msgspec.structs import replace

from offchain.crypto import sealing
from offchain.crypto import sharing as vss
from offchain.crypto.field import FieldVector, R
from offchain.crypto.randomness import Randomness
from offchain.protocol import sharing
from offchain.protocol.device import Device
from offchain.protocol.messages import Deal, SealedShare, Witness, parse_envelope
from tests.e2e.builders import Run


def bumped(element: bytes) -> bytes:
    return ((int.from_bytes(element, "big") + 1) % R).to_bytes(32, "big")


class Dealer:
    """A dealer that changes its own dealing and signs what it has made of it."""

    def __init__(self, run: Run, device: Device) -> None:
        self.run, self.device = run, device
        state = device._round
        assert state is not None
        assert state.selection is not None
        self.selected = state.selection
        self.context = self.selected.context(run.task, 1, 0)

    def witness(self, deal: Deal) -> Witness:
        message = parse_envelope(self.run.domain, deal.witness)[1]
        assert isinstance(message, Witness)
        return message

    def with_witness(self, deal: Deal, **changes: object) -> Deal:
        false = replace(self.witness(deal), **changes)
        return replace(deal, witness=self.run.signed(self.device, false))

    def sealed(self, recipient: int, share: bytes, path: tuple[bytes, ...]) -> SealedShare:
        member = self.device.roster.members[recipient]
        box = sealing.seal(
            msgspec.msgpack.encode(sharing._SealedContent(share, path)),
            sealing.parse_sealing_public_key(member.sealing_key),
            sharing._associated(self.context, self.device.address, member.account),
            Randomness(bytes(32)),
        )
        return SealedShare(recipient, box)

    def open(self, deal: Deal, recipient: int) -> sharing._SealedContent:
        box = next(share.sealed for share in deal.shares if share.recipient == recipient)
        peer = self.run.devices[0][recipient]
        associated = sharing._associated(self.context, self.device.address, peer.address)
        return sharing._unseal(peer._keys.sealing, box, associated)

    def with_share(self, deal: Deal, share: SealedShare) -> Deal:
        shares = tuple(share if s.recipient == share.recipient else s for s in deal.shares)
        return replace(deal, shares=shares)

    def deal_with_a_wrong_share(self, recipients: tuple[int, ...]) -> Deal:
        """Deal anew, with wrong shares under the root for some: only their evaluation is false."""
        wrong = {sharing.coordinate(i) for i in recipients}
        honest_hash = vss.share_hash

        def hash_of(x: int, share: FieldVector) -> bytes:
            return honest_hash(x, self.wrong(share) if x in wrong else share)

        state = self.device._round
        assert state is not None
        assert state.update is not None
        with patch.object(vss, "share_hash", hash_of):
            made = sharing.deal_shares(
                self.run.task,
                self.device.roster,
                self.selected,
                self.device.index,
                state.update,
                1,
                Randomness(bytes(32)),
            )
        deal = Deal(
            round=1,
            cluster=0,
            index=self.device.index,
            witness=self.run.signed(self.device, made.witness),
            shares=made.sealed,
        )
        for recipient in recipients:
            content = self.open(deal, recipient)
            share = self.wrong(FieldVector(content.share)).data
            deal = self.with_share(deal, self.sealed(recipient, share, content.path))
        return deal

    @staticmethod
    def wrong(share: FieldVector) -> FieldVector:
        return share + FieldVector.from_ints([1, *([0] * (len(share) - 1))])
