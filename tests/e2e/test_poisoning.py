"""Selection on the full protocol: what the simulation of the studies says is what happens."""

import ape
import pytest

from offchain.chain.artifact import Artifact
from offchain.learning.selection import DEFAULT_RULE
from offchain.studies.protocol_cell import ATTACKERS, run_on_protocol


@pytest.mark.full
def test_train__a_third_flips_signs__the_default_rule_leaves_them_out() -> None:
    web3, artifact = ape.networks.provider.web3, Artifact.of(ape.project)
    disturbed = run_on_protocol(web3, artifact, "all", attacked=True)
    defended = run_on_protocol(web3, artifact, DEFAULT_RULE, attacked=True)
    assert disturbed["kept"] == len(ATTACKERS)
    assert (defended["kept"], defended["rejected"]) == (0, 0)
    assert defended["accuracy"] > 0.91
    assert defended["accuracy"] > disturbed["accuracy"] + 0.02
