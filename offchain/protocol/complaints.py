"""Step 8 of a round: complaints are judged; who is qualified, and who is left as a share holder."""

from collections.abc import Mapping
from dataclasses import dataclass

from offchain.crypto.field import parse_field_vector
from offchain.crypto.opening import locate_bad_openings
from offchain.crypto.randomness import Randomness
from offchain.errors import VerifogError
from offchain.protocol import messages
from offchain.protocol.errors import (
    OpeningMismatch,
    ProtocolError,
    ShareMismatch,
    SharesMissing,
    WitnessMismatch,
)
from offchain.protocol.role import ClusterRoster, Task
from offchain.protocol.selected_set import SelectedSet
from offchain.protocol.sharing import check_share, plain_witness


@dataclass(frozen=True)
class ProvenComplaint:
    """A complaint that held, whose it is, and what it proves."""

    peer: int
    complaint: messages.Complaint
    error: ProtocolError


@dataclass(frozen=True)
class Resolution:
    """The qualified dealers, the live share holders, and the dealers proven false."""

    qualified: tuple[int, ...]
    live: tuple[int, ...]
    refused: tuple[tuple[int, ProtocolError], ...]
    proven: tuple[ProvenComplaint, ...] = ()  # one for each dealer


def resolve(
    task: Task,
    roster: ClusterRoster,
    selected: SelectedSet,
    witnesses: Mapping[int, messages.Witness],
    reports: Mapping[int, messages.ShareReport],
    randomness: Randomness,
) -> Resolution:
    """Fix QUAL and the live peers so that every live peer accepted every qualified dealer.

    Proven complaints exclude the dealer. The rest are conflicts between a dealer and a peer: the
    one with most is dropped, until none is left; on a tie the peer, as share holder only
    (specification, section 4, decision 6).
    """
    proven: dict[int, ProvenComplaint] = {}
    for peer, report in sorted(reports.items()):
        for complaint in report.complaints:
            error = _judge(task, roster, selected, witnesses, peer, complaint, randomness)
            if error is not None:
                proven.setdefault(complaint.dealer, ProvenComplaint(peer, complaint, error))
    refused = {dealer: found.error for dealer, found in proven.items()}
    dealers = set(witnesses) - refused.keys()
    live = set(reports)
    accepted = {peer: set(report.accepted) for peer, report in reports.items()}
    while True:
        conflicts = {(d, p) for p in live for d in dealers if d not in accepted[p]}
        if not conflicts:
            break
        by_dealer = {d: sum(1 for pair in conflicts if pair[0] == d) for d in dealers}
        by_peer = {p: sum(1 for pair in conflicts if pair[1] == p) for p in live}
        worst_dealer = max(dealers, key=lambda d: (by_dealer[d], d))
        worst_peer = max(live, key=lambda p: (by_peer[p], p))
        if by_dealer[worst_dealer] > by_peer[worst_peer]:
            dealers.discard(worst_dealer)
            refused[worst_dealer] = SharesMissing(
                f"shares of dealer {worst_dealer} did not reach {by_dealer[worst_dealer]} peers"
            )
        else:
            live.discard(worst_peer)
    return Resolution(
        tuple(sorted(dealers)),
        tuple(sorted(live)),
        tuple(sorted(refused.items())),
        tuple(proven.values()),
    )


def _judge(
    task: Task,
    roster: ClusterRoster,
    selected: SelectedSet,
    witnesses: Mapping[int, messages.Witness],
    peer: int,
    complaint: messages.Complaint,
    randomness: Randomness,
) -> ProtocolError | None:
    """Check a complaint: the share must lie under the dealer's root and contradict its witness."""
    witness = witnesses.get(complaint.dealer)
    if witness is None or peer not in selected.accounts:
        return None
    context = selected.context(task, witness.round, roster.cluster)
    try:
        share = parse_field_vector(complaint.share, task.layout.share_length)
        claim = check_share(
            selected.sharing_parameters(task),
            peer,
            share,
            complaint.path,
            complaint.dealer,
            plain_witness(witness),
            selected,
            context,
        )
    except (ShareMismatch, WitnessMismatch) as error:
        return error
    except VerifogError:
        return None  # not under the root, or no share at all: proves nothing
    if locate_bad_openings(task.key, [claim], randomness):
        return OpeningMismatch(f"opening of dealer {complaint.dealer} is false")
    return None
