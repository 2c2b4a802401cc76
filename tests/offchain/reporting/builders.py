"""Builders of made-up runs."""

from __future__ import annotations

import math
import random

import numpy as np

from offchain.crypto.commitment import CommitmentKey
from offchain.crypto.layout import SlotLayout
from offchain.crypto.randomness import Randomness
from offchain.learning.encoding import UpdateEncoding
from offchain.learning.models import Model, ModelKind
from offchain.reporting.model_file import ColumnMap, ModelFile, model_record
from offchain.reporting.phases import PHASES
from offchain.reporting.record import (
    ClusterDevices,
    ClusterRecord,
    Comparison,
    Counts,
    Dropout,
    GasRecord,
    Metric,
    PrivacyRecord,
    PrivacySpent,
    Rejection,
    RoundKind,
    RoundNote,
    RoundRecord,
    RoundStatus,
    RunHead,
    RunRecord,
    Seconds,
    TaskRecord,
    Traffic,
    hex_of,
)
from offchain.reporting.totals import totals_of

CONTRACT = bytes.fromhex("5fbdb2315678afecb367f032d93f642f64180aa3")
ORIGIN = "simulated data; source: Tennessee Eastman process, a simulated plant; licence: Apache-2.0"


def make_head(clusters: int = 2, devices: int = 8, rounds: int = 16) -> RunHead:
    return RunHead(
        started="2026-07-01T12:00:00+00:00",
        task=TaskRecord("fault7", ORIGIN, "softmax", 52, 7, 371, 3380, 6720),
        options={
            "dataset": "fault7",
            "devices": clusters * devices,
            "fogs": clusters,
            "rounds": rounds - 1,
            "noise_multiplier": 1.0,
            "drop": 0.0,
            "seed": 1,
            "json": False,
        },
        contract=hex_of(CONTRACT),
        chain_id=31337,
        domain_separator=hex_of(bytes(range(32))),
        clusters=tuple(ClusterRecord(c, hex_of(bytes([c] * 20)), devices) for c in range(clusters)),
        rounds_planned=rounds,
    )


def make_round(
    head: RunHead,
    number: int,
    *,
    status: RoundStatus = RoundStatus.SETTLED,
    rng: random.Random,
    disturbed: bool = False,
) -> RoundRecord:
    kind = RoundKind.STATISTICS if number == 1 else RoundKind.TRAINING
    size = head.clusters[0].devices
    rejected: list[Rejection] = []
    dropped: list[Dropout] = []
    selected: dict[int, list[int]] = {}
    for cluster in range(len(head.clusters)):
        keep = list(range(size))
        if disturbed:
            for reason in ("not-selected", "mask", "noise-seed"):
                device = keep.pop(rng.randrange(len(keep)))
                detail = f"{reason} of device {device} <&>"
                rejected.append(Rejection(cluster, device, "fog", reason, detail, 1))
            for step in ("masking", "sharing"):
                device = keep.pop(rng.randrange(len(keep)))
                dropped.append(Dropout(cluster, device, step))
            rejected.append(Rejection(cluster, None, "fog", "bad-signature", "message: forged", 3))
        selected[cluster] = keep
    settled = status is RoundStatus.SETTLED
    places = tuple(ClusterDevices(c, tuple(d)) for c, d in selected.items())
    phases = {phase: rng.uniform(0.02, 0.6) for phase in PHASES}
    gas = [GasRecord("openRound", None, 141_000 + rng.randrange(900), "cloud")]
    for cluster in selected:
        if number % 4 == 1:
            gas.insert(0, GasRecord("recordNoiseRoot", cluster, 52_100, "fog"))
        gas.append(GasRecord("anchor", cluster, 287_000 + rng.randrange(4000), "fog"))
        gas.append(GasRecord("submitCumulative", cluster, 118_400, "fog"))
    gas.append(GasRecord("submitAggregate", None, 233_000 if settled else 41_000, "cloud"))
    steps = max(0, number - 1)
    counted = sum(map(len, selected.values()))
    return RoundRecord(
        round=number,
        kind=kind,
        status=status,
        why=None if settled else "attestations: 3, quorum is 6",
        loss=None if number == 1 else 0.16 + 1.8 * math.exp(-steps / 2.5),
        metric=None
        if number == 1
        else Metric("accuracy", 0.937 - 0.6 * math.exp(-steps / 2) + rng.uniform(-0.004, 0.004)),
        samples=3380 if settled else None,
        counts=Counts(
            devices=head.devices,
            selected=counted,
            qualified=counted if settled else 0,
            attested=counted if settled else 0,
            rejected=sum(entry.device is not None for entry in rejected),
            dropped=len(dropped),
        ),
        selected=places,
        qualified=places if settled else (),
        rejected=tuple(rejected),
        dropped=tuple(dropped),
        included=tuple(selected) if settled else (),
        notes=() if settled else (RoundNote("cluster-failed", 0, None, "quorum <b>missed</b>"),),
        seconds=Seconds(
            total=sum(phases.values()),
            by_phase=phases,
            by_role={"device": 2.1, "fog": 1.1, "cloud": 0.2},
            slowest={"device": 0.14, "fog": 0.6, "cloud": 0.2},
        ),
        bytes_by_role={"device": 2_400_000, "fog": 1_900_000, "cloud": 70_000},
        messages={"MaskedPacket": Traffic(counted, 1_200_000), "Deal": Traffic(counted, 900_000)},
        gas=tuple(gas),
        privacy=PrivacySpent(2.3 * math.sqrt(number), 1e-5),
    )


def make_record(
    clusters: int = 2,
    devices: int = 8,
    rounds: int = 16,
    *,
    disturbed: bool = True,
    failed: tuple[int, ...] = (7,),
) -> RunRecord:
    rng = random.Random(1)
    head = make_head(clusters, devices, rounds)
    records = tuple(
        make_round(
            head,
            number,
            status=RoundStatus.FAILED if number in failed else RoundStatus.SETTLED,
            rng=rng,
            disturbed=disturbed and number % 3 == 0,
        )
        for number in range(1, rounds + 1)
    )
    outside = (
        GasRecord("deploy", None, 5_100_000, "authority"),
        GasRecord("admitDevices", 0, 1_900_000, "authority"),
        GasRecord("claim", None, 61_000, "device"),
    )
    last = records[-1].privacy if records else None
    model = make_model_file()
    return RunRecord(
        head=head,
        rounds=records,
        outside=outside,
        totals=totals_of(records, outside),
        privacy=PrivacyRecord(
            1.0,
            2000.0,
            last or PrivacySpent(0.0, 1e-5),
            "Covers what a fog sees of one device's masked updates; the sums that are released "
            "carry no noise.",
        ),
        model=model_record(model, model.commitment_digest),
        comparison=Comparison(
            Metric("accuracy", 0.937),
            Metric("accuracy", 0.940),
            "scikit-learn LogisticRegression(C=1.0) on standardised features",
        ),
    )


def make_model_file(
    kind: ModelKind = ModelKind.SOFTMAX, features: int = 4, *, seed: int = 3
) -> ModelFile:
    """A small model with random parameters and blinding."""
    classes = {ModelKind.LINEAR: 0, ModelKind.LOGISTIC: 2, ModelKind.SOFTMAX: 3}[kind]
    model = Model(kind, features, classes)
    encoding = UpdateEncoding(1.0, 10.0, 1, 100)
    rng = np.random.default_rng(seed)
    layout = SlotLayout(64, 2, 1, max(model.parameter_count, 2 * (features + 1)))
    integers = encoding.encode_model(rng.normal(size=model.parameter_count))
    numbers = np.array([7, *(v >> 20 for v in integers)], dtype=np.int64)
    vector = layout.place(numbers, Randomness(bytes([seed]) * 32))
    return ModelFile(
        contract=CONTRACT,
        chain_id=31337,
        round=16,
        vector=vector,
        layout=layout,
        commitment=CommitmentKey.load(64).commit(vector),
        step=encoding.step,
        fraction_bits=28,
        model=model,
        feature_names=tuple(f"tag {i}" for i in range(features)),
        class_names=tuple(f"class {i}" for i in range(classes)),
        target_name="fault",
        features=ColumnMap((1.0, 2.0, 3.0, 4.0)[:features], (0.5, 2.0, 0.0, 1.5)[:features]),
        target=ColumnMap((10.0,), (0.25,)) if kind is ModelKind.LINEAR else None,
    )
