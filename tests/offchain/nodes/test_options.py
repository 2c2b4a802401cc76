"""Options of a training run are refused before anything runs, by name, value and bound."""

from dataclasses import replace

import pytest

from offchain.nodes.options import OptionRefused, TrainOptions, plan

DEFAULTS = TrainOptions()


def test_plan__defaults__fit_the_default_data_set() -> None:
    made = plan(DEFAULTS)
    assert made.model.parameter_count == 371
    assert made.layout.capacity == 512
    assert made.clusters == (8, 8)
    assert made.threshold == 5


@pytest.mark.parametrize(
    ("dataset", "method", "noise", "shape"),
    [
        ("petrobras", "ridge", 1.0, (4096, 5)),
        ("softsensor", "ridge", 1.0, (2048, 1)),
        ("fault2", "newton", 1.0, (4096, 1)),
        ("fault2", "newton", 10.0, (4096, 2)),
        ("fault7", "newton", 1.0, (4096, 1)),
        ("fault18", "newton", 1.0, (4096, 8)),
        ("fault7", "sgd", 1.0, (512, 1)),
    ],
)
def test_plan__method__has_the_chunks_that_its_sums_need(
    dataset: str, method: str, noise: float, shape: tuple[int, int]
) -> None:
    options = replace(DEFAULTS, dataset=dataset, method=method, noise_multiplier=noise)
    layout = plan(options).layout
    assert (layout.capacity, layout.chunks) == shape


def test_plan__capacity_4096_given__takes_further_chunks() -> None:
    options = replace(DEFAULTS, dataset="petrobras", method="ridge", capacity=4096)
    assert plan(options).layout.chunks == 5


def test_plan__uneven_clusters__threshold_suits_the_smallest() -> None:
    made = plan(replace(DEFAULTS, devices=17, fogs=3))
    assert made.clusters == (6, 6, 5)
    assert made.threshold == 3


@pytest.mark.parametrize(
    ("devices", "fogs", "threshold", "expected"),
    [(16, 2, None, (1, 5)), (64, 2, None, (8, 15)), (33, 2, None, (4, 8)), (64, 2, 12, (8, 12))],
)
def test_plan__packing_not_given__as_recommended_for_the_smallest_cluster(
    devices: int, fogs: int, threshold: int | None, expected: tuple[int, int]
) -> None:
    found = plan(TrainOptions(devices=devices, fogs=fogs, threshold=threshold))
    assert (found.layout.packing, found.threshold) == expected
    assert found.options.packing == expected[0]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"dataset": "nope"}, "--dataset: nope: "),
        ({"model": "tree"}, "--model: tree: must be one of linear, logistic, softmax"),
        ({"model": "linear"}, "--model: linear: "),
        ({"method": "guess"}, "--method: guess: unknown method 'guess'; there is: local, newton, "),
        ({"method": "ridge"}, "--method: ridge: solves linear models, not softmax"),
        (
            {"method": "newton", "dataset": "softsensor"},
            "--method: newton: is for classes; a linear model takes ridge",
        ),
        (
            {"method": "ridge", "dataset": "petrobras", "noise_multiplier": 100.0},
            "--noise-multiplier: 100.0: leaves no room for 4559 values of 2 digits",
        ),
        ({"devices": 5}, "--devices: 5: at least 3 for each of 2 fogs"),
        ({"devices": 4000}, "--devices: 4000: "),
        ({"fogs": 0}, "--fogs: 0: from 1 to 64"),
        ({"fogs": 65}, "--fogs: 65: from 1 to 64"),
        ({"rounds": 0}, "--rounds: 0: at least 1"),
        ({"capacity": 256}, "--capacity: 256: too small: 372 slots are needed, 253 are usable"),
        ({"capacity": 500}, "--capacity: 500: a power of two from 64 to 4096"),
        ({"packing": 3}, "--packing: 3: a power of two from 1 to 1024"),
        ({"packing": 8}, "--packing: 8: "),
        ({"threshold": 9}, "--threshold: 9: from 2 to 7"),
        ({"threshold": 1}, "--threshold: 1: from 2 to 7"),
        ({"threshold": 8, "packing": 2}, "--threshold: 8: from 2 to 7"),
        ({"noise_multiplier": 0.0}, "--noise-multiplier: 0.0: finite and above 0"),
        ({"clip": -1.0}, "--clip: -1.0: finite and above 0"),
        ({"candidates": 1}, "--candidates: 1: from 2 to 64"),
        ({"noise_rounds": 0}, "--noise-rounds: 0: from 1 to 65535"),
        ({"drop": 1.5}, "--drop: 1.5: from 0 to 1"),
        ({"max_epsilon": -1.0}, "--max-epsilon: -1.0: finite and above 0"),
        ({"release_noise": 0.0}, "--release-noise: 0.0: finite and above 0"),
        ({"release_colluders": 1}, "--release-colluders: 1: goes with --release-noise only"),
        (
            {"release_colluders": 6, "release_noise": 1.0},
            "--release-colluders: 6: from 0 to 5: a sum has at least 6 devices",
        ),
        ({"delta": 0.0}, "--delta: 0.0: between 0 and 1"),
        ({"seed": -1}, "--seed: -1: from 0 to 2^63 - 1"),
        ({"secrets": "dice"}, "--secrets: dice: one of os, seed"),
        ({"selection": "guess"}, "--selection: guess: one of "),
        ({"deviations": 0.0}, "--deviations: 0.0: finite and above 0"),
        ({"split": "odd"}, "--split: odd: "),
    ],
    ids=str,
)
def test_plan__option_out_of_bound__is_refused_by_name(
    changes: dict[str, object], text: str
) -> None:
    with pytest.raises(OptionRefused) as refused:
        plan(replace(DEFAULTS, **changes))  # type: ignore[arg-type]
    assert str(refused.value).startswith(text)
