from __future__ import annotations

import math
import re
import struct
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from offchain.reporting.outcome import device_outcomes
from offchain.reporting.page import render_page
from offchain.reporting.plots import draw_plots
from offchain.reporting.record import (
    ClusterDevices,
    Counts,
    Dropout,
    Metric,
    Rejection,
    RoundStatus,
)
from offchain.reporting.style import DARK
from tests.offchain.reporting.builders import make_record

NAMES = ["learning", "participation", "gas", "seconds"]
IMAGES = {"gas": b"light image"}
VOID = {"meta", "img", "source"}


class Balanced(HTMLParser):
    """Checks that tags close in order, and collects what is loaded from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.loaded: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.loaded += [v for name, v in attrs if name in ("src", "srcset", "href") and v]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def size_of(image: bytes) -> tuple[int, int]:
    assert image[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", image[16:24])


@pytest.mark.parametrize("theme", [None, DARK])
def test_draw_plots__a_run__gives_every_plot_at_150_dpi(record, theme):
    images = draw_plots(record) if theme is None else draw_plots(record, theme)
    assert list(images) == NAMES
    for image in images.values():
        width, height = size_of(image)
        assert width == 8 * 150
        assert height > 500
        assert len(image) > 10_000


def test_draw_plots__same_record__gives_the_same_images(record):
    assert draw_plots(record)["gas"] == draw_plots(record)["gas"]


def test_draw_plots__no_round__gives_none():
    assert draw_plots(make_record(rounds=0)) == {}


def test_draw_plots__statistics_round_only__leaves_learning_out():
    assert list(draw_plots(make_record(rounds=1, failed=()))) == NAMES[1:]


def test_draw_plots__every_round_failed__leaves_seconds_out():
    assert list(draw_plots(make_record(rounds=2, failed=(1, 2)))) == NAMES[:3]


def test_draw_plots__many_rounds_and_values_not_finite__still_draws():
    record = make_record(1, 20, 120, failed=(3, 4))
    rounds = list(record.rounds)
    rounds[5] = replace(rounds[5], loss=math.inf, metric=Metric("R2", -1e9))
    rounds[6] = replace(rounds[6], loss=math.nan, metric=Metric("R2", None))
    assert list(draw_plots(replace(record, rounds=tuple(rounds)))) == NAMES


def test_plots__imported__do_not_import_matplotlib():
    code = "import sys, offchain.reporting.report; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_device_outcomes__every_round__add_up_to_its_devices(record):
    for entry in record.rounds:
        assert sum(device_outcomes(entry).values()) == entry.counts.devices


def test_device_outcomes__one_of_each__counts_each_device_once(record):
    entry = replace(
        record.rounds[0],
        status=RoundStatus.SETTLED,
        counts=Counts(9, 6, 3, 2, 2, 3),
        selected=(ClusterDevices(0, (0, 1, 2, 3, 4)), ClusterDevices(1, (0,))),
        qualified=(ClusterDevices(0, (0, 1, 2)),),
        rejected=(
            Rejection(0, 3, "fog", "share", "", 1),
            Rejection(0, 5, "fog", "mask", "", 2),
            Rejection(0, 5, "fog", "noise-seed", "", 1),
            Rejection(0, 0, "device", "share", "", 1),
            Rejection(0, None, "fog", "bad-signature", "", 7),
        ),
        dropped=(Dropout(0, 2, "attesting"), Dropout(0, 3, "sharing"), Dropout(0, 4, "sharing")),
    )
    assert device_outcomes(entry) == {
        "took part": 2,
        "in the sum, then silent": 1,
        "refused: share": 1,
        "refused: mask": 1,
        "fell silent": 1,
        "cluster failed": 1,
        "not asked": 2,
    }


def test_render_page__a_run__is_whole_and_loads_nothing(record):
    page = render_page(record, IMAGES, {"gas": b"dark image"})
    parser = Balanced()
    parser.feed(page)
    assert parser.open == []
    assert len(parser.loaded) == 2
    assert all(source.startswith("data:image/png;base64,") for source in parser.loaded)
    assert not re.search(r"https?://|url\(|@import|<script|<link", page)
    assert "prefers-color-scheme: dark" in page


def test_render_page__a_run__shows_every_round_and_the_summary(record):
    page = render_page(record, IMAGES, {})
    for text in ("0.9370", "0.9400", "75,258", record.head.contract, "simulated plant"):
        assert text in page
    for entry in record.rounds:
        assert f"<td>{entry.gas_total:,}</td>" in page
    assert "attestations: 3, quorum is 6" in page
    assert record.model is not None
    assert record.model.commitment[0] in page


def test_render_page__text_with_markup__is_escaped(record):
    page = render_page(record, IMAGES, {})
    assert "quorum &lt;b&gt;missed&lt;/b&gt;" in page
    assert "&lt;&amp;&gt;" in page
    assert "<b>missed" not in page


def test_render_page__bare_run__is_still_a_page():
    bare = replace(make_record(rounds=0), model=None, comparison=None, privacy=None)
    parser = Balanced()
    parser.feed(render_page(bare, {}, {}))
    assert parser.open == []
    assert "img" not in parser.tags


def test_render_page__model_differs_from_the_contract__says_so_loudly(record):
    model = replace(record.model, matches=False)
    page = render_page(replace(record, model=model), IMAGES, {})
    assert "<td class=bad>NO</td>" in page
