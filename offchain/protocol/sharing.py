"""Steps 6 and 7 of a round: dealings, and their checks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from offchain.crypto import sealing, sharing
from offchain.crypto.commitment import parse_openings
from offchain.crypto.errors import (
    CryptoError,
    LengthError,
    MerklePathError,
    ShareError,
    WitnessError,
)
from offchain.crypto.field import FieldVector, parse_field_vectors, scalar_bytes
from offchain.crypto.hashing import Digest
from offchain.crypto.opening import OpeningClaim, locate_bad_openings
from offchain.crypto.randomness import Randomness
from offchain.errors import VerifogError
from offchain.protocol import messages
from offchain.protocol.errors import (
    OpeningMismatch,
    ProtocolError,
    ShareMismatch,
    SharePathMismatch,
    SharesMissing,
    UnknownSender,
    WitnessMismatch,
    WrongRound,
)
from offchain.protocol.masking import MaskedUpdate
from offchain.protocol.role import ClusterRoster, Task
from offchain.protocol.selected_set import SelectedSet, coordinate


class _SealedContent(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    share: messages.Vector
    path: messages.Path


_CONTENT = msgspec.msgpack.Decoder(_SealedContent)


@dataclass(frozen=True, repr=False)
class OwnDealing:
    """What a dealer sends, and the share that it keeps for itself. Hides itself."""

    witness: messages.Witness
    sealed: tuple[messages.SealedShare, ...]
    own_share: FieldVector


def _associated(context: bytes, dealer: bytes, recipient: bytes) -> bytes:
    return context + dealer + recipient


def deal_shares(
    task: Task,
    roster: ClusterRoster,
    selected: SelectedSet,
    index: int,
    update: MaskedUpdate,
    round_number: int,
    randomness: Randomness,
) -> OwnDealing:
    """Deal an update to all selected devices, each share sealed to its recipient."""
    context = selected.context(task, round_number, roster.cluster)
    dealer = selected.accounts[index]
    dealing = sharing.deal(
        task.key,
        selected.sharing_parameters(task),
        update.vector,
        update.commitment,
        context=context,
        dealer=dealer,
        randomness=randomness.child(b"polynomial"),
    )
    sealer = sealing.Sealer(randomness.child(b"seal"))
    sealed = []
    for recipient in selected.indices:
        if recipient == index:
            continue
        member = roster.members[recipient]
        x = coordinate(recipient)
        content = msgspec.msgpack.encode(
            _SealedContent(dealing.shares[x].to_bytes(), dealing.path(x))
        )
        box = sealer.seal(
            content,
            sealing.parse_sealing_public_key(member.sealing_key),
            _associated(context, dealer, member.account),
        )
        sealed.append(messages.SealedShare(recipient, box))
    witness = dealing.witness
    message = messages.Witness(
        round=round_number,
        cluster=roster.cluster,
        index=index,
        selection=selected.root,
        count=len(selected.indices),
        commitment=update.commitment.to_bytes(),
        root=witness.root,
        polynomial=tuple(scalar.to_bytes() for scalar in witness.polynomial.split(1)),
        opened=scalar_bytes(witness.opening.value),
        proof=witness.opening.to_bytes()[-48:],
    )
    return OwnDealing(message, tuple(sealed), dealing.shares[coordinate(index)])


def plain_witness(message: messages.Witness) -> sharing.ShareWitness:
    """Parse the numbers of a witness.

    Raises
    ------
    WitnessMismatch
        When one is not canonical, or the proof is no point of the group.
    """
    witness = _plain_witnesses([message])[0]
    if isinstance(witness, WitnessMismatch):
        raise witness
    return witness


def _plain_witnesses(
    given: Sequence[messages.Witness],
) -> list[sharing.ShareWitness | WitnessMismatch]:
    """Parse the numbers of witnesses, all with as many coefficients as the first one.

    Returns
    -------
    list
        For each, what `plain_witness` returns or raises.
    """
    openings = parse_openings([message.opened + message.proof for message in given])
    polynomials = parse_field_vectors(
        [b"".join(message.polynomial) for message in given],
        len(given[0].polynomial) if given else 0,
        "witness polynomial",
    )
    found: list[sharing.ShareWitness | WitnessMismatch] = []
    for message, opening, coefficients in zip(given, openings, polynomials, strict=True):
        if isinstance(opening, CryptoError) or isinstance(coefficients, CryptoError):
            reason = opening if isinstance(opening, CryptoError) else coefficients
            found.append(WitnessMismatch(f"witness of dealer {message.index}: {reason}"))
        else:
            found.append(sharing.ShareWitness(Digest(message.root), coefficients, opening))
    return found


def parse_witness(
    task: Task,
    domain: bytes,
    roster: ClusterRoster,
    selected: SelectedSet,
    round_number: int,
    data: bytes,
) -> messages.Witness:
    """Authenticate a dealer's signed witness and check that it belongs to this selection.

    Raises
    ------
    WrongRound, UnknownSender, WitnessMismatch
        When it belongs to another round or cluster, is not the dealer's, or names another
        commitment or selection.
    """
    sender, message = messages.parse_envelope(domain, data)
    if not isinstance(message, messages.Witness):
        raise WitnessMismatch(f"witness: a {type(message).__name__} stands in its place")
    if message.round != round_number or message.cluster != roster.cluster:
        raise WrongRound(f"witness: of round {message.round}, cluster {message.cluster}")
    if selected.accounts.get(message.index) != sender:
        raise UnknownSender(f"witness: not signed by dealer {message.index}")
    if message.selection != selected.root or message.count != len(selected.indices):
        raise WitnessMismatch(f"witness of dealer {message.index}: for another selection")
    if message.commitment != selected.commitments[message.index].to_bytes():
        raise WitnessMismatch(f"witness of dealer {message.index}: of another commitment")
    if len(message.polynomial) != task.parameters.quorum:
        raise WitnessMismatch(
            f"witness of dealer {message.index}: {len(message.polynomial)} coefficients, "
            f"{task.parameters.quorum} expected"
        )
    return message


def parse_deal(
    task: Task,
    domain: bytes,
    roster: ClusterRoster,
    selected: SelectedSet,
    index: int,
    deal: messages.Deal,
) -> messages.Witness:
    """Check at the fog what can be checked of a deal without any share.

    Raises
    ------
    ProtocolError
        When the witness is not its sender's own, or a recipient is missing or too many.
    """
    witness = parse_witness(task, domain, roster, selected, deal.round, deal.witness)
    if witness.index != index:
        raise UnknownSender(f"deal: device {index} hands in a witness of {witness.index}")
    recipients = [share.recipient for share in deal.shares]
    if recipients != [i for i in selected.indices if i != index]:
        raise WitnessMismatch(f"deal of device {index}: its recipients are not the selected")
    return witness


def delivery(
    round_number: int, cluster: int, recipient: int, deals: Mapping[int, messages.Deal]
) -> messages.Delivery:
    """What the dealers sent to one recipient."""
    return messages.Delivery(
        round=round_number,
        cluster=cluster,
        dealings=tuple(
            messages.Delivered(
                deal.witness, next(s.sealed for s in deal.shares if s.recipient == recipient)
            )
            for dealer, deal in sorted(deals.items())
            if dealer != recipient
        ),
    )


@dataclass(frozen=True, repr=False)
class Checked:
    """Accepted shares by dealer, refusals, and the complaints that prove a dealer false."""

    shares: Mapping[int, FieldVector]
    refused: tuple[tuple[int, VerifogError], ...]
    complaints: tuple[messages.Complaint, ...]


@dataclass(frozen=True, repr=False)
class _Opened:
    """A dealer's share as it was unsealed, with its witness, not yet checked."""

    content: _SealedContent
    share: FieldVector
    message: messages.Witness

    @property
    def dealer(self) -> int:
        return self.message.index


def check_delivery(
    task: Task,
    domain: bytes,
    roster: ClusterRoster,
    selected: SelectedSet,
    index: int,
    key: sealing.SealingKey,
    message: messages.Delivery,
    randomness: Randomness,
) -> Checked:
    """Check every dealer's share: its seal, path, evaluation, and all openings at once."""
    refused: list[tuple[int, VerifogError]] = []
    complaints: list[messages.Complaint] = []
    parameters = selected.sharing_parameters(task)
    context = selected.context(task, message.round, roster.cluster)
    own = selected.accounts[index]
    unsealed: list[tuple[messages.Witness, _SealedContent]] = []
    for delivered in message.dealings:
        dealer = -1
        try:
            witness = parse_witness(
                task, domain, roster, selected, message.round, delivered.witness
            )
            dealer = witness.index
            if dealer == index:
                raise SharesMissing(f"delivery: a share of one's own, dealer {dealer}")
            content = _unseal(
                key, delivered.sealed, _associated(context, selected.accounts[dealer], own)
            )
            unsealed.append((witness, content))
        except VerifogError as error:
            refused.append((dealer, error))
    opened: list[_Opened] = []
    shares = parse_field_vectors(
        [content.share for _, content in unsealed], task.layout.share_length
    )
    for (witness, content), share in zip(unsealed, shares, strict=True):
        if isinstance(share, CryptoError):
            refused.append((witness.index, share))
        else:
            opened.append(_Opened(content, share, witness))
    parsed: list[tuple[_Opened, sharing.ShareWitness]] = []
    for one, plain in zip(opened, _plain_witnesses([one.message for one in opened]), strict=True):
        if isinstance(plain, WitnessMismatch):
            refused.append((one.dealer, plain))
            complaints.append(messages.Complaint(one.dealer, one.content.share, one.content.path))
        else:
            parsed.append((one, plain))
    checked = sharing.check_shares(
        parameters,
        coordinate(index),
        [_received(selected, one, plain) for one, plain in parsed],
        context=context,
    )
    received: dict[int, _Opened] = {}
    claims: dict[int, OpeningClaim] = {}
    for (one, _), claim in zip(parsed, checked, strict=True):
        if one.dealer in received:
            twice = SharesMissing(f"delivery: a second share of dealer {one.dealer}")
            refused.append((one.dealer, twice))
            continue
        if isinstance(claim, OpeningClaim):
            received[one.dealer], claims[one.dealer] = one, claim
            continue
        failed = _named(one.dealer, claim)
        refused.append((one.dealer, failed))
        if isinstance(failed, ShareMismatch | WitnessMismatch):
            complaints.append(messages.Complaint(one.dealer, one.content.share, one.content.path))
    order = sorted(received)
    bad = locate_bad_openings(task.key, [claims[dealer] for dealer in order], randomness)
    for place in bad:
        dealer = order[place]
        taken = received.pop(dealer)
        refused.append((dealer, OpeningMismatch(f"opening of dealer {dealer} is false")))
        complaints.append(messages.Complaint(dealer, taken.content.share, taken.content.path))
    return Checked(
        {dealer: taken.share for dealer, taken in received.items()},
        tuple(refused),
        tuple(complaints),
    )


def _unseal(key: sealing.SealingKey, box: bytes, associated: bytes) -> _SealedContent:
    try:
        return _CONTENT.decode(sealing.open_sealed(box, key, associated))
    except (CryptoError, msgspec.DecodeError) as error:
        raise SharesMissing(f"share: cannot be unsealed ({type(error).__name__})") from None


def _received(
    selected: SelectedSet, one: _Opened, witness: sharing.ShareWitness
) -> sharing.ReceivedShare:
    return sharing.ReceivedShare(
        selected.accounts[one.dealer],
        one.share,
        one.content.path,
        witness,
        selected.commitments[one.dealer],
    )


def _named(dealer: int, error: CryptoError) -> ProtocolError:
    """What a failed check says of a dealer."""
    if isinstance(error, MerklePathError | LengthError):
        return SharePathMismatch(f"share of dealer {dealer}: not under its root")
    if isinstance(error, WitnessError):
        return WitnessMismatch(
            f"witness of dealer {dealer}: the polynomial does not give the opened value"
        )
    return ShareMismatch(f"share of dealer {dealer}: {error}")


def check_share(
    parameters: sharing.SharingParameters,
    index: int,
    share: FieldVector,
    path: Sequence[bytes],
    dealer: int,
    witness: sharing.ShareWitness,
    selected: SelectedSet,
    context: bytes,
) -> OpeningClaim:
    """Check the share of one device and its dealer's witness, but for the opening.

    Raises
    ------
    SharePathMismatch, WitnessMismatch, ShareMismatch
        One for each way to be wrong.
    """
    try:
        return sharing.check_share(
            parameters,
            coordinate(index),
            share,
            path,
            witness,
            selected.commitments[dealer],
            context=context,
            dealer=selected.accounts[dealer],
        )
    except (MerklePathError, LengthError, WitnessError, ShareError) as error:
        raise _named(dealer, error) from None
