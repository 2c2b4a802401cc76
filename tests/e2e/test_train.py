"""The training run as a user meets it: accuracy, commitment, gas, errors, output for machines."""

import json
import os
import subprocess
import sys
from pathlib import Path

import ape
import ckzg
import dp_accounting
import pytest

from offchain.chain.artifact import Artifact
from offchain.nodes.options import OptionRefused, TrainOptions, plan
from offchain.nodes.training import TrainingRun, TrainResult
from offchain.reporting.model_file import encode_model, parse_model
from offchain.reporting.record import RoundStatus
from tests.offchain.crypto.oracles import blob_of, ckzg_setup

# With two of eight devices left out; with all present the tests of the contract ask for 300,000.
ANCHOR_GAS = 315_000
ROOT = Path(__file__).parents[2]


def run(**options: object) -> TrainResult:
    checked = plan(TrainOptions(**options))
    return TrainingRun(checked, ape.networks.provider.web3, Artifact.of(ape.project)).run()


@pytest.fixture(scope="module")
def default_run() -> TrainResult:
    """The default task, cut to the rounds that its accuracy needs."""
    return run(rounds=10)


@pytest.fixture(scope="module")
def disturbed_run() -> TrainResult:
    """Devices that fall silent at random steps."""
    return run(rounds=2, devices=12, drop=0.3, packing=2, threshold=2, seed=3)


def test_train__default_task__reaches_the_stated_accuracy(default_run: TrainResult) -> None:
    comparison = default_run.record.comparison
    assert comparison is not None
    assert comparison.federated.value >= 0.93
    assert comparison.central.value == pytest.approx(0.940, abs=0.001)
    assert all(entry.status is RoundStatus.SETTLED for entry in default_run.record.rounds)


def test_train__default_task__anchors_stay_under_the_gas_bound(default_run: TrainResult) -> None:
    anchors = [g.gas for r in default_run.record.rounds for g in r.gas if g.kind == "anchor"]
    assert len(anchors) == 22
    assert max(anchors) <= ANCHOR_GAS


def test_train__budget_of_three_rounds__stops_before_the_fourth_and_says_why() -> None:
    """The statistics round counts too; epsilon is dp-accounting's for the rounds sent."""
    small = {"dataset": "softsensor", "devices": 6, "fogs": 1, "noise_multiplier": 10.0}

    # The count and the rounding add to the 2 by which two clipped updates differ at most.
    sensitivity = run(rounds=1, **small).record.privacy.sensitivity
    assert 2.0 < sensitivity < 2.2

    def spent(rounds: int) -> float:
        event = dp_accounting.SelfComposedDpEvent(
            dp_accounting.GaussianDpEvent(10.0 / sensitivity), rounds
        )
        return float(dp_accounting.pld.PLDAccountant().compose(event).get_epsilon(1e-5))

    budget = 0.5 * (spent(3) + spent(4))
    result = run(rounds=5, max_epsilon=budget, **small)
    record = result.record
    assert len(record.rounds) == 3
    assert record.stopped is not None
    assert record.stopped.startswith("privacy budget: epsilon ")
    assert f"at most {budget:g} is allowed" in record.stopped
    assert not record.interrupted
    assert result.model is not None
    assert record.privacy is not None
    assert (record.privacy.rounds_most, record.privacy.rounds_least) == (3, 3)
    assert [r.privacy.epsilon for r in record.rounds] == pytest.approx(
        [spent(1), spent(2), spent(3)], rel=1e-3
    )
    assert record.privacy.spent.epsilon <= budget
    with pytest.raises(OptionRefused, match=r"--max-epsilon: 0\.1: at least "):
        run(max_epsilon=0.1, **small)


def test_train__release_noise__stays_in_the_sum_and_is_accounted_for() -> None:
    small = {"dataset": "softsensor", "devices": 6, "fogs": 1, "rounds": 1, "seed": 5}
    plain = run(secrets="seed", **small)
    noisy = run(secrets="seed", release_noise=2.0, release_colluders=1, **small)
    privacy = noisy.record.privacy
    assert privacy is not None
    assert privacy.released is not None
    assert (privacy.release_noise, privacy.release_survivors) == (2.0, 4)
    assert privacy.released.epsilon == pytest.approx(
        dp_accounting.get_epsilon_gaussian(2.0 / (2.0 * 2**0.5), 1e-5), rel=0.01
    )
    assert plain.record.privacy is not None
    assert plain.record.privacy.released is None
    assert all(entry.status is RoundStatus.SETTLED for entry in noisy.record.rounds)
    # The mask cancels, this noise does not: another model than that of the same run without it.
    assert noisy.model is not None
    assert plain.model is not None
    assert noisy.model.vector != plain.model.vector


@pytest.mark.parametrize("name", ["default_run", "disturbed_run"])
def test_model_file__recomputed_with_ckzg__is_what_contract_s_holds(
    name: str, request: pytest.FixtureRequest
) -> None:
    result: TrainResult = request.getfixturevalue(name)
    assert result.model is not None
    content = json.loads(encode_model(result.model))
    slots = [int(slot, 16) for slot in content["slots"]]
    padded = slots + [0] * (4096 - len(slots))
    recomputed = ckzg.blob_to_kzg_commitment(blob_of(padded), ckzg_setup())
    assert [f"0x{recomputed.hex()}"] == content["commitment"]
    assert result.record.model is not None
    assert result.record.model.matches
    parsed = parse_model(encode_model(result.model))
    assert "0x" + parsed.commitment.digest.hex() == result.record.model.on_chain_digest


def test_train__devices_fall_silent__is_counted_and_the_model_stays_committed(
    disturbed_run: TrainResult,
) -> None:
    assert sum(entry.counts.dropped for entry in disturbed_run.record.rounds) > 0
    assert disturbed_run.record.totals.settled >= 2


def test_train__rewards__are_claimed_once_for_everybody_who_served(
    default_run: TrainResult,
) -> None:
    claims = [entry for entry in default_run.record.outside if entry.kind == "claim"]
    assert len(claims) == 16 + 2 + 1
    assert all(entry.error is None for entry in claims)


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(Path(sys.executable).parent / "ape"), "run", "train", *arguments],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_command__json__prints_the_report_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "report"
    done = command(
        *("--dataset", "softsensor", "--devices", "3", "--fogs", "1", "--rounds", "1"),
        *("--json", "--report", str(folder)),
    )
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout)
    assert printed == json.loads((folder / "report.json").read_text())
    assert printed["model"]["matches"] is True
    assert {"report.json", "model.json", "index.html", "plots"} <= {
        entry.name for entry in folder.iterdir()
    }


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--threshold", "20"), "Error: --threshold: 20: from 2 to 7"),
        (("--network", "ethereum:sepolia"), "Error: --network: ethereum:sepolia: must be a local"),
        (("--port", "80"), "Error: --port: 80: from 1024 to 65535"),
    ],
    ids=str,
)
def test_command__wrong_option__is_one_line_before_anything_runs(
    arguments: tuple[str, ...], text: str, tmp_path: Path
) -> None:
    done = command(*arguments, "--report", str(tmp_path / "report"))
    assert done.returncode == 1
    assert done.stderr.startswith(text)
    assert "anvil" not in done.stdout
    assert not (tmp_path / "report").exists()
