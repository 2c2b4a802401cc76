"""The chain holds the commitment to the model that the nodes hold, as ckzg sees it."""

from offchain.crypto.commitment import parse_commitment
from tests.e2e.builders import Run
from tests.e2e.oracles import ckzg_commitment


def test_model__after_several_rounds__contract_holds_the_commitment_that_ckzg_gives(
    clusters: Run,
) -> None:
    for _ in range(2):
        assert clusters.round().settled
    slots = clusters.sim.model.to_ints()
    commitment = parse_commitment(ckzg_commitment(slots), 1)
    assert commitment.digest == clusters.committed
    altered = parse_commitment(ckzg_commitment([slots[0] + 1, *slots[1:]]), 1)
    assert altered.digest != clusters.committed


def test_model__before_any_round__contract_holds_the_commitment_to_zeros(cluster: Run) -> None:
    zero = parse_commitment(ckzg_commitment([0] * 64), 1, infinity=True)
    assert zero.digest == cluster.committed


def test_model__held_by_every_fog_and_cloud__is_one(clusters: Run) -> None:
    assert clusters.round().settled
    holders = (*clusters.fogs, *clusters.clouds)
    models = {holder.model_of(clusters.committed) for holder in holders}
    assert models == {clusters.sim.model}
