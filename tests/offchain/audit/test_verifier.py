"""What an audit says of runs in which everybody, or S at least, did as it should."""

import pytest

from tests.offchain.audit.cases import Case


@pytest.mark.parametrize("name", ["undisturbed", "dropped_out", "eventful"])
def test_audit__played_task__everything_holds(name: str, request: pytest.FixtureRequest) -> None:
    case: Case = request.getfixturevalue(name)
    audited = case.audit(model=case.model)
    assert audited.checks.findings == []
    assert audited.valid
