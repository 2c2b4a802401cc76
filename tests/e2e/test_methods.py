"""`ridge` and `newton` on the whole protocol, beside scikit-learn, and audited from the chain."""

from __future__ import annotations

import importlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import ape
import numpy as np
import pytest
from click.testing import CliRunner

from offchain.chain.artifact import Artifact
from offchain.crypto.field import FieldVector
from offchain.nodes.options import TrainOptions, plan
from offchain.nodes.training import TrainingRun, TrainResult
from offchain.reporting.sums_file import encode_sums
from scripts.audit import cli as audit_command

NAMES = {"ridge": "softsensor", "newton": "shuttle"}
ROUNDS = {"ridge": 3, "newton": 2}
RELATIVE = {"ridge": 1e-4, "newton": 2e-3}  # newton's sums are rounded more coarsely


class Trained:
    """A finished run by a method that solves."""

    def __init__(self, method: str, folder: Path) -> None:
        options = TrainOptions(
            dataset=NAMES[method], method=method, rounds=ROUNDS[method], devices=8, fogs=2, seed=3
        )
        web3 = ape.networks.provider.web3
        self.run = TrainingRun(plan(options), web3, Artifact.of(ape.project))
        self.result: TrainResult = self.run.run()
        self.node = str(web3.provider.endpoint_uri)
        self._folder = folder

    @property
    def rounds(self) -> list[Any]:
        return [r for r in self.result.record.rounds if r.kind == "training"]

    def audit(self, sums: FieldVector | None = None, **changes: Any) -> dict[str, Any]:
        """Audit with the file of sums, the first one replaced or fields changed."""
        file = self.result.sums
        assert file is not None
        if sums is not None:
            file = replace(file, sums={**file.sums, min(file.sums): sums})
        path = self._folder / "sums.json"
        path.write_bytes(encode_sums(replace(file, **changes)))
        address = "0x" + self.run.contract.address.hex()
        arguments = (address, "--network", self.node, "--sums", str(path), "--json")
        done = CliRunner().invoke(audit_command, arguments)
        audited: dict[str, Any] = json.loads(done.output)
        assert (done.exit_code == 0) == audited["valid"]
        return audited


@pytest.fixture(scope="module", params=list(NAMES))
def trained(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return Trained(request.param, tmp_path_factory.mktemp(request.param))


def fields(audited: dict[str, Any]) -> list[str]:
    return [finding["field"] for finding in audited["findings"]]


def test_method__on_the_protocol__is_scikit_learns_model(trained: Trained) -> None:
    X, y = trained.run.rows(test=False)
    parameters, model = trained.run.plan.hyperparameters, trained.run.plan.model
    record = trained.result.record
    assert record.model is not None
    assert record.model.matches
    if parameters.method.name == "ridge":
        linear = importlib.import_module("sklearn.linear_model")
        fitted = linear.Ridge(alpha=parameters.l2 * len(X)).fit(X, y)
        wanted = np.append(fitted.coef_, fitted.intercept_)
        assert len(trained.rounds) == 1  # of three: it says itself that it is done
    else:
        wanted = model.initial()
        for _ in trained.rounds:
            p = model.probabilities(wanted, X)[:, 1]
            x = np.column_stack([X, np.ones(len(X))])
            penalty = parameters.l2 * len(X) * np.append(np.ones(model.features), 0.0)
            hessian = (x.T * (p * (1 - p))) @ x + np.diag(penalty)
            wanted = wanted - np.linalg.solve(hessian, x.T @ (p - y) + penalty * wanted)
        assert len(trained.rounds) == 2
    found = trained.run.models[-1]
    bound = RELATIVE[parameters.method.name]
    assert np.linalg.norm(found - wanted) < bound * np.linalg.norm(wanted)


def test_audit__released_sums__models_are_solved_for_again(trained: Trained) -> None:
    audited = trained.audit()
    assert audited["findings"] == []
    assert audited["valid"]


def test_audit__sum_altered__is_not_the_one_that_s_accepted(trained: Trained) -> None:
    file = trained.result.sums
    assert file is not None
    first = file.sums[min(file.sums)].to_ints()
    altered = FieldVector.from_ints([first[0], first[1] + 1, *first[2:]])
    found = fields(trained.audit(altered))
    assert "sums file: vector digest" in found
    assert "sums file: commitment" in found
    assert "ModelVoted.modelDigest" in found


def test_audit__penalty_altered__gives_another_model(trained: Trained) -> None:
    file = trained.result.sums
    assert file is not None
    assert "ModelVoted.modelDigest" in fields(trained.audit(l2=2 * file.l2))


def test_audit__sums_of_another_task__are_refused(trained: Trained) -> None:
    assert "sums file: contract" in fields(trained.audit(contract=b"\x01" * 20))
