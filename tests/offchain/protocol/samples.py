"""One example of every message."""

from offchain.protocol import messages
from offchain.protocol.messages import Message

DIGEST = bytes(range(32))
POINT = b"\xa1" * 48
ELEMENT = b"\x01" * 32
HEAD = {"round": 3, "cluster": 2}

LEAF = messages.NoiseLeaf(POINT, DIGEST, (DIGEST, ELEMENT))

SAMPLES: tuple[Message, ...] = (
    messages.NoiseCall(**HEAD),
    messages.NoiseRoot(**HEAD, index=4, root=DIGEST),
    messages.NoiseReceipt(**HEAD, position=1, count=5, root=DIGEST, path=(DIGEST,)),
    messages.ModelOffer(**HEAD, model=ELEMENT * 2, owed=(1, 2)),
    messages.MaskedPacket(
        **HEAD,
        index=4,
        batch=1,
        commitment=POINT,
        masked=ELEMENT * 2,
        noise_root=DIGEST,
        leaves=(LEAF, LEAF, LEAF),
        seeds=(DIGEST, ELEMENT),
        past=(messages.PastNoise(2, (LEAF, LEAF), (DIGEST,)),),
    ),
    messages.Selection(
        **HEAD,
        root=DIGEST,
        members=(messages.Selected(1, POINT), messages.Selected(2, POINT)),
    ),
    messages.Witness(
        **HEAD,
        index=4,
        selection=DIGEST,
        count=5,
        commitment=POINT,
        root=DIGEST,
        polynomial=(ELEMENT, ELEMENT),
        opened=ELEMENT,
        proof=POINT,
    ),
    messages.Deal(
        **HEAD,
        index=4,
        witness=b"witness",
        shares=(messages.SealedShare(1, b"sealed"), messages.SealedShare(2, b"")),
    ),
    messages.Delivery(**HEAD, dealings=(messages.Delivered(b"witness", b"sealed"),)),
    messages.ShareReport(
        **HEAD,
        index=4,
        accepted=(1, 2),
        complaints=(messages.Complaint(3, ELEMENT, (DIGEST,)),),
    ),
    messages.Qualified(**HEAD, root=DIGEST, indices=(1, 2)),
    messages.SumDigest(**HEAD, index=4, root=DIGEST, digest=DIGEST),
    messages.AnchorProposal(
        **HEAD, sums_root=DIGEST, commitments=POINT, position=0, count=1, path=()
    ),
    messages.Attestation(**HEAD, index=4, message=DIGEST, signature=b"\xa2" * 96),
    messages.Reveal(**HEAD, index=4, total=ELEMENT * 2),
    messages.ClusterSum(**HEAD, total=ELEMENT * 2),
    messages.Result(**HEAD, commitment_digest=DIGEST, total=ELEMENT * 2),
    messages.Statistics(**HEAD, total=ELEMENT * 2),
    messages.ModelRequest(**HEAD, model_digest=DIGEST),
    messages.ModelVote(**HEAD, result_digest=DIGEST, model_digest=DIGEST),
)
