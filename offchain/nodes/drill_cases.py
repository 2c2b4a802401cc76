"""The cases of a drill: every fraud that S punishes, and every silence that it has to outlast."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from offchain.errors import VerifogError
from offchain.nodes import drill_frauds as frauds
from offchain.nodes.drill_stage import Stage
from offchain.nodes.drill_task import Shape
from offchain.protocol import messages
from offchain.protocol.chain import SubmitAggregate, SubmitAnchor, SubmitCumulative
from offchain.protocol.messages import Message
from offchain.protocol.role import Role

FEE: Final = 10**15  # of silence, wei
ONE_CLUSTER: Final = Shape(clusters=(5,), silence_fee=FEE)
TWO_CLUSTERS: Final = Shape(clusters=(4, 4), threshold=2, clouds=2, silence_fee=FEE)
ONE_CLOUD: Final = Shape(clusters=(4, 4), threshold=2, clouds=1, silence_fee=FEE)

AFTERMATH: Final = 1  # rounds without interference that follow


class UnknownCase(VerifogError):
    """There is no such case."""


@dataclass(frozen=True)
class Case:
    """What is played, and what should come of it.

    Attributes
    ----------
    name
        For the command line.
    done
        What is done, in words.
    plant
        Makes a node misbehave; returns it. None: the node that misbehaves takes no part (the
        Authority).
    shape
        Of the task it is played on.
    settles
        Whether each disturbed round settles.
    left_out
        Whose updates the disturbed rounds do not count, by short name; a fog stands for its
        cluster.
    missing_after
        The same in the round that follows, without interference.
    offence, reporter
        What S finds proven, by the name in S, and who is paid for it. Empty for a silence.
    tells
        Whether the fogs are told the result of the disturbed rounds. If not, a round that fails
        after them returns to the model before.
    charged
        Who pays one silence fee, by short name.
    """

    name: str
    done: str
    plant: Callable[[Stage], Role | None]
    shape: Shape = ONE_CLUSTER
    settles: tuple[bool, ...] = (True,)
    left_out: tuple[str, ...] = ()
    missing_after: tuple[str, ...] = ()
    offence: str = ""
    reporter: str = ""
    tells: bool = True
    charged: tuple[str, ...] = ()


# ---- frauds


def _by_device(name: str, plant: frauds.Plant, offence: str, *, counts: bool = False) -> Case:
    """A device of one cluster cheats, its fog reports."""
    return Case(
        name,
        f"a device {_told(plant)}",
        plant,
        left_out=() if counts else ("device 0.1",),
        missing_after=("device 0.1",),
        offence=offence,
        reporter="fog 0",
    )


def _by_fog(
    name: str, plant: frauds.Plant, offence: str, reporter: str, *, counts: bool = True
) -> Case:
    """A fog of two cheats, a device of its own reports; its cluster is out of the task."""
    return Case(
        name,
        f"a fog {_told(plant)}",
        plant,
        TWO_CLUSTERS,
        left_out=() if counts else ("fog 0",),
        missing_after=("fog 0",),
        offence=offence,
        reporter=reporter,
    )


def _told(plant: Callable[[Stage], Role | None]) -> str:
    """The first sentence of what a plant says of itself."""
    sentence = (plant.__doc__ or "").split(".")[0]
    return sentence[:1].lower() + sentence[1:]


FRAUDS: Final = (
    _by_device("false-share", frauds.false_share, "FalseShare"),
    _by_device("false-polynomial", frauds.false_polynomial, "FalseWitness"),
    _by_device("false-opening", frauds.false_opening, "FalseWitness"),
    _by_device("false-noise", frauds.false_noise, "FalseNoise"),
    _by_device("two-noise-roots", frauds.two_noise_roots, "Equivocation", counts=True),
    _by_device("two-packets", frauds.two_packets, "Equivocation", counts=True),
    _by_device("two-witnesses", frauds.two_witnesses, "Equivocation", counts=True),
    _by_fog("two-selections", frauds.two_selections, "Equivocation", "device 0.1"),
    _by_fog("two-qualified-sets", frauds.two_qualified_sets, "Equivocation", "device 0.1"),
    _by_fog("false-anchor", frauds.false_anchor, "FalseAnchor", "device 0.0", counts=False),
    Case(
        "false-result",
        f"a cloud {_told(frauds.false_result)}",
        frauds.false_result,
        TWO_CLUSTERS,
        offence="FalseResult",
        reporter="fog 1",
    ),
    Case(
        "false-vector",
        f"a cloud {_told(frauds.false_vector)}",
        frauds.false_vector,
        TWO_CLUSTERS,
        offence="FalseVector",
        reporter="fog 0",
    ),
)


# ---- silences


def _silent_device(kind: type[Message], *, counts: bool, misses_next: bool = False) -> Case:
    device = "device 0.1"

    def plant(stage: Stage) -> Role:
        culprit = frauds.culprit_of(stage)
        stage.silence(culprit, kind)
        return culprit

    words = "".join(" " + c.lower() if c.isupper() else c for c in kind.__name__).strip()
    return Case(
        f"device-silent-{words.replace(' ', '-')}",
        f"a device sends no {words}",
        plant,
        left_out=() if counts else (device,),
        missing_after=(device,) if misses_next else (),
    )


def fog_silent(stage: Stage) -> Role:
    """A fog says nothing at all."""
    stage.silence(stage.fogs[0])
    return stage.fogs[0]


def fog_keeps_anchor(stage: Stage) -> Role:
    """A fog does not anchor what its devices attested."""
    stage.alter_call(SubmitAnchor, lambda _: None, sender=stage.fogs[0])
    return stage.fogs[0]


def fog_keeps_sum(stage: Stage) -> Role:
    """A fog anchors and does not submit its cluster's sum."""
    stage.alter_call(SubmitCumulative, lambda _: None, sender=stage.fogs[0])
    return stage.fogs[0]


def fog_keeps_vector(stage: Stage) -> Role:
    """A fog submits its sum and does not hand it to the cloud."""
    stage.silence(stage.fogs[0], messages.ClusterSum)
    return stage.fogs[0]


def cloud_keeps_aggregate(stage: Stage) -> Role:
    """A cloud does not aggregate."""
    stage.alter_call(SubmitAggregate, lambda _: None, sender=stage.clouds[0])
    return stage.clouds[0]


def cloud_keeps_result(stage: Stage) -> Role:
    """A cloud settles the round and tells nobody."""
    stage.silence(stage.clouds[0], messages.Result, messages.ModelOffer)
    return stage.clouds[0]


def authority_gone(stage: Stage) -> None:
    """The Authority does nothing any more, from admission to the last withdrawal."""
    del stage


def _silence(
    name: str,
    plant: Callable[[Stage], Role | None],
    shape: Shape,
    *,
    done: str = "",
    settles: tuple[bool, ...] = (True,),
    left_out: tuple[str, ...] = (),
    tells: bool = True,
    charged: tuple[str, ...] = (),
) -> Case:
    told = _told(plant) + done
    return Case(name, told, plant, shape, settles, left_out, tells=tells, charged=charged)


def _silent_fog(name: str, plant: Callable[[Stage], Role], *, charged: bool = True) -> Case:
    """A fog of two whose cluster is left out."""
    own = ("fog 0",)
    paying = own if charged else ()
    return _silence(name, plant, TWO_CLUSTERS, left_out=own, charged=paying)


SILENCES: Final = (
    _silent_device(messages.NoiseRoot, counts=False, misses_next=True),
    _silent_device(messages.MaskedPacket, counts=False),
    _silent_device(messages.Deal, counts=False),
    _silent_device(messages.ShareReport, counts=True),
    _silent_device(messages.SumDigest, counts=True),
    _silent_device(messages.Attestation, counts=True),
    _silent_device(messages.Reveal, counts=True),
    _silent_fog("fog-silent", fog_silent),
    _silent_fog("fog-keeps-anchor", fog_keeps_anchor),
    _silent_fog("fog-keeps-sum", fog_keeps_sum),
    _silent_fog("fog-keeps-vector", fog_keeps_vector, charged=False),  # S cannot see it
    _silence("cloud-keeps-aggregate", cloud_keeps_aggregate, TWO_CLUSTERS, done="; one stands by"),
    _silence(
        "only-cloud-keeps-aggregate",
        cloud_keeps_aggregate,
        ONE_CLOUD,
        done="; there is no other",
        settles=(False,),
        charged=("cloud 0",),
    ),
    _silence(
        "cloud-keeps-result",
        cloud_keeps_result,
        TWO_CLUSTERS,
        done="; another has the model too",
        settles=(True, True),
        tells=False,
    ),
    _silence(
        "only-cloud-keeps-result",
        cloud_keeps_result,
        ONE_CLOUD,
        done="; there is no other",
        settles=(True, False),
        tells=False,  # and nobody pays: the fogs cannot anchor on a model that they were never told
    ),
    _silence("authority-gone", authority_gone, ONE_CLUSTER, settles=(True, True)),
)

CASES: Final = {case.name: case for case in (*FRAUDS, *SILENCES)}


def case_named(name: str) -> Case:
    """The case with a name.

    Raises
    ------
    UnknownCase
        Naming those that there are.
    """
    if name not in CASES:
        raise UnknownCase(f"--case: {name}: none of {', '.join(CASES)}")
    return CASES[name]
