import itertools
import random
from dataclasses import replace

import numpy as np
import pytest

from offchain.crypto import curve
from offchain.crypto.commitment import Opening
from offchain.crypto.errors import (
    CryptoError,
    LengthError,
    MerklePathError,
    NonCanonicalError,
    RangeError,
    ReconstructionError,
    ScalarOverflowError,
    ShareError,
    WitnessError,
)
from offchain.crypto.field import FieldVector, R
from offchain.crypto.layout import SlotLayout
from offchain.crypto.merkle import MerkleTree
from offchain.crypto.opening import OpeningClaim, locate_bad_openings
from offchain.crypto.sharing import (
    ReceivedShare,
    ShareWitness,
    SharingParameters,
    check_share,
    check_shares,
    deal,
    parse_witness,
    reconstruct,
    share_challenge,
    share_hash,
)
from tests.offchain.crypto.oracles import evaluate, lagrange

WHO = {"context": b"\x11" * 32, "dealer": b"\x22" * 20}
SIZES = [
    (2, 2, 1, 1),
    (5, 3, 1, 1),
    (4, 2, 2, 1),
    (7, 3, 4, 2),
    (10, 3, 8, 1),
    (12, 4, 8, 2),
    (33, 17, 1, 2),
]


def setup(n, t, packing, chunks, xs=None):
    layout = SlotLayout(64, packing, chunks, 5)
    return SharingParameters(layout, t, tuple(xs or range(1, n + 1)))


def dealing_of(key, parameters, randomness):
    numbers = np.array([9, -1, 2, -3, 4, -5])
    vector = parameters.layout.place(numbers, randomness)
    commitment = key.commit(vector)
    made = deal(key, parameters, vector, commitment, randomness=randomness, **WHO)
    return vector, commitment, made


def check(parameters, made, commitment, x, **changes):
    given = {"share": made.shares[x], "path": made.path(x), "witness": made.witness, **WHO}
    given.update(changes)
    share, path, witness = given.pop("share"), given.pop("path"), given.pop("witness")
    return check_share(parameters, x, share, path, witness, commitment, **given)


@pytest.mark.parametrize("sizes", SIZES)
def test_deal__every_block__lies_on_one_polynomial_with_the_shares(small_key, randomness, sizes):
    parameters = setup(*sizes)
    vector, _, made = dealing_of(small_key, parameters, randomness)
    blocks = parameters.layout.blocks(vector)
    chosen = random.Random(1).sample(parameters.recipients, parameters.needed)
    rest = [x for x in parameters.recipients if x not in chosen]
    for q in random.Random(2).sample(range(parameters.layout.share_length), 4):
        points = [(x, made.shares[x].element(q)) for x in chosen]
        for p, block in enumerate(blocks):
            assert lagrange(points, -p) == block.element(q)
        for x in rest:
            assert lagrange(points, x) == made.shares[x].element(q)


@pytest.mark.parametrize("sizes", SIZES)
def test_check_share__honest_dealer__every_share_passes(small_key, randomness, sizes):
    parameters = setup(*sizes)
    _, commitment, made = dealing_of(small_key, parameters, randomness)
    claims = [check(parameters, made, commitment, x) for x in parameters.recipients]
    assert len(set(claims)) == 1
    assert locate_bad_openings(small_key, claims[:1], randomness) == []


def test_witness__honest_dealer__is_the_share_polynomial_folded(small_key, randomness):
    parameters = setup(7, 3, 4, 2)
    vector, commitment, made = dealing_of(small_key, parameters, randomness)
    rho = share_challenge(parameters, commitment, made.witness.root, **WHO)
    layout = parameters.layout
    weights = [pow(rho, 64 * c + q, R) for c in range(layout.chunks) for q in range(layout.block)]
    for x, share in made.shares.items():
        folded = sum(w * e for w, e in zip(weights, share.to_ints(), strict=True)) % R
        assert made.witness.polynomial.horner(x) == folded
    assert made.witness.opening.value == evaluate(vector.to_ints(), rho)


@pytest.mark.parametrize("sizes", SIZES)
def test_reconstruct__any_subset_of_sums__gives_the_sum(small_key, randomness, sizes):
    parameters = setup(*sizes)
    dealt = [dealing_of(small_key, parameters, randomness) for _ in range(3)]
    total = FieldVector.sum([vector for vector, _, _ in dealt])
    sums = {
        x: FieldVector.sum([made.shares[x] for _, _, made in dealt]) for x in parameters.recipients
    }
    for seed in range(3):
        chosen = random.Random(seed).sample(parameters.recipients, parameters.needed)
        found = reconstruct(parameters.layout, parameters.threshold, {x: sums[x] for x in chosen})
        assert found == total
        assert parameters.layout.extract(found) == [27, -3, 6, -9, 12, -15]


def test_reconstruct__large_scattered_coordinates__still_works(small_key, randomness):
    parameters = setup(5, 3, 2, 1, xs=[4_000_000_000, 17, 2**31, 3, 99_999])
    vector, commitment, made = dealing_of(small_key, parameters, randomness)
    for x in parameters.recipients:
        check(parameters, made, commitment, x)
    for chosen in itertools.combinations(parameters.recipients, 4):
        shares = {x: made.shares[x] for x in chosen}
        assert reconstruct(parameters.layout, 3, shares) == vector


def outcome(action):
    """What a check returns, or the type and text of what it raises."""
    try:
        result = action()
    except CryptoError as error:
        result = error
    return (type(result), str(result)) if isinstance(result, CryptoError) else result


@pytest.mark.parametrize("sizes", SIZES)
def test_check_shares__good_and_bad_dealers_mixed__as_one_by_one(small_key, randomness, sizes):
    parameters = setup(*sizes)
    x = parameters.recipients[-1]
    received = []
    for _ in range(9):  # more than are hashed side by side
        _, commitment, made = dealing_of(small_key, parameters, randomness)
        received.append(
            ReceivedShare(WHO["dealer"], made.shares[x], made.path(x), made.witness, commitment)
        )
    good, polynomial = received[1], received[1].witness.polynomial
    first = FieldVector.from_ints([1, *[0] * (len(polynomial) - 1)])
    changes = {
        1: {"share": one_more(good.share)},
        2: {"path": ()},
        3: {"witness": replace(good.witness, polynomial=polynomial + first)},
        4: {"witness": replace(good.witness, polynomial=polynomial.slice(0, 1))},
        5: {"commitment": received[0].commitment},
        6: {"share": FieldVector.zeros(1)},
        7: {"commitment": small_key.commit(FieldVector.zeros(64 * 3))},
    }
    for place, changed in changes.items():
        received[place] = replace(good, **changed)
    found = check_shares(parameters, x, received, context=WHO["context"])
    kinds = [type(one) for one in found]
    one_by_one = [
        outcome(
            lambda one=one: check_share(
                parameters, x, one.share, one.path, one.witness, one.commitment, **WHO
            )
        )
        for one in received
    ]
    assert [outcome(lambda one=one: one) for one in found] == one_by_one
    assert kinds[0] is kinds[8] is OpeningClaim
    assert kinds[1:8] == [
        MerklePathError,
        LengthError,
        WitnessError,
        LengthError,
        # Another challenge: with one block only, P(0) stands for it as well.
        WitnessError if parameters.layout.packing > 1 else ShareError,
        LengthError,
        LengthError,
    ]
    assert check_shares(parameters, x, [], context=WHO["context"]) == []


def test_reconstruct__one_share_too_few__raises(small_key, randomness):
    parameters = setup(7, 3, 4, 2)
    _, _, made = dealing_of(small_key, parameters, randomness)
    shares = dict(list(made.shares.items())[:5])
    with pytest.raises(ReconstructionError, match="5 shares, 6 needed"):
        reconstruct(parameters.layout, 3, shares)


def test_reconstruct__one_wrong_share__does_not_give_the_commitment(small_key, randomness):
    parameters = setup(5, 3, 1, 1)
    _, commitment, made = dealing_of(small_key, parameters, randomness)
    shares = {**made.shares, 2: made.shares[3]}
    assert small_key.commit(reconstruct(parameters.layout, 3, shares)) != commitment
    with pytest.raises(LengthError):
        reconstruct(parameters.layout, 3, {**made.shares, 2: FieldVector.zeros(63)})


def test_shares__fewer_than_threshold__fit_any_vector(small_key, randomness):
    # For t - 1 = 2 shares there is a sharing of any other vector that contains them.
    parameters = setup(5, 3, 1, 1)
    _, _, made = dealing_of(small_key, parameters, randomness)
    points = [(x, made.shares[x].element(0)) for x in (1, 2)]
    for secret in (0, 1, R - 1):
        extended = [(0, secret), *points]
        assert [lagrange(extended, x) for x in (1, 2)] == [value for _, value in points]
    assert all(abs(e) > 2**200 for e in made.shares[1].centred()[1:])


class Cheat:
    """A dealer who replaces some shares before hashing them, and is honest in all the rest."""

    def __init__(self, key, parameters, randomness, wrong):
        self.vector, self.commitment, made = dealing_of(key, parameters, randomness)
        self.parameters, self.key, self.honest = parameters, key, made
        self.shares = {**made.shares, **wrong(made.shares)}
        self.tree = MerkleTree([share_hash(x, share) for x, share in self.shares.items()])
        root = self.tree.root
        self.rho = share_challenge(parameters, self.commitment, root, **WHO)
        layout = parameters.layout
        folded = {
            x: sum(
                pow(self.rho, layout.capacity * c, R) * value
                for c, value in enumerate(share.horner_blocks(self.rho, layout.block))
            )
            % R
            for x, share in made.shares.items()
        }
        points = list(folded.items())[: parameters.needed]
        values = [lagrange(points, k) for k in range(parameters.needed)]
        self.polynomial = monomial(values)
        self.witness = ShareWitness(root, self.polynomial, key.open_at(self.vector, self.rho))

    def check(self, x, **changes):
        index = self.parameters.recipients.index(x)
        witness = replace(self.witness, **changes)
        return check_share(
            self.parameters,
            x,
            self.shares[x],
            self.tree.path(index),
            witness,
            self.commitment,
            **WHO,
        )


def monomial(values):
    """Coefficients of the polynomial with these values at 0, 1, 2, ... (by linear algebra)."""
    size = len(values)
    rows = [[pow(x, k, R) for k in range(size)] + [values[x]] for x in range(size)]
    for i in range(size):
        pivot = next(r for r in range(i, size) if rows[r][i])
        rows[i], rows[pivot] = rows[pivot], rows[i]
        scale = pow(rows[i][i], -1, R)
        rows[i] = [v * scale % R for v in rows[i]]
        for r in range(size):
            if r != i and rows[r][i]:
                factor = rows[r][i]
                rows[r] = [(a - factor * b) % R for a, b in zip(rows[r], rows[i], strict=True)]
    return FieldVector.from_ints(row[size] for row in rows)


def one_more(share):
    return share + FieldVector.from_ints([*[0] * (len(share) - 1), 1])


@pytest.mark.parametrize("sizes", [(6, 3, 1, 1), (7, 3, 4, 2)])
def test_check_share__some_shares_mis_dealt__only_their_recipients_find_it(
    small_key, randomness, sizes
):
    parameters = setup(*sizes)
    cheat = Cheat(
        small_key, parameters, randomness, lambda s: {2: one_more(s[2]), 5: one_more(s[5])}
    )
    for x in parameters.recipients:
        if x in {2, 5}:
            with pytest.raises(ShareError, match=f"recipient {x}"):
                cheat.check(x)
        else:
            claim = cheat.check(x)
            assert locate_bad_openings(small_key, [claim], randomness) == []


def test_check_share__shares_of_another_vector__opening_gives_the_dealer_away(
    small_key, randomness
):
    # All shares fit P, but P folds to another vector than the committed one.
    parameters = setup(6, 3, 2, 1)
    other, other_commitment, made = dealing_of(small_key, parameters, randomness)
    _, commitment, _ = dealing_of(small_key, parameters, randomness)
    cheat = Cheat(small_key, parameters, randomness, lambda s: {})
    cheat.commitment = commitment
    rho = share_challenge(parameters, commitment, made.witness.root, **WHO)
    folded = [(x, share.horner(rho)) for x, share in list(made.shares.items())[: parameters.needed]]
    polynomial = monomial([lagrange(folded, k) for k in range(parameters.needed)])
    honest_value = small_key.open_at(other, rho)
    witness = ShareWitness(made.witness.root, polynomial, honest_value)
    claim = check(parameters, made, commitment, 1, witness=witness)
    assert locate_bad_openings(small_key, [claim], randomness) == [0]
    lie = replace(witness, opening=Opening(honest_value.value + 1, honest_value.proof))
    with pytest.raises(WitnessError):
        check(parameters, made, commitment, 1, witness=lie)
    assert other_commitment != commitment


def test_check_share__polynomial_altered__is_found(small_key, randomness):
    parameters = setup(6, 3, 2, 1)
    _, commitment, made = dealing_of(small_key, parameters, randomness)
    for i in range(parameters.needed):
        changed = made.witness.polynomial.to_ints()
        changed[i] = (changed[i] + 1) % R
        witness = replace(made.witness, polynomial=FieldVector.from_ints(changed))
        with pytest.raises(WitnessError):
            check(parameters, made, commitment, 1, witness=witness)


def test_check_share__polynomial_vanishing_at_the_blocks_added__contradicts_the_share(
    small_key, randomness
):
    # P + X (X + 1) keeps every P(-p) for l = 2, so only the shares can show it.
    parameters = setup(6, 3, 2, 1)
    _, commitment, made = dealing_of(small_key, parameters, randomness)
    changed = made.witness.polynomial.to_ints()
    changed[1], changed[2] = (changed[1] + 1) % R, (changed[2] + 1) % R
    witness = replace(made.witness, polynomial=FieldVector.from_ints(changed))
    with pytest.raises(ShareError):
        check(parameters, made, commitment, 1, witness=witness)


def test_check_share__not_the_bound_share__is_no_proof_against_the_dealer(small_key, randomness):
    parameters = setup(6, 3, 2, 1)
    _, commitment, made = dealing_of(small_key, parameters, randomness)
    with pytest.raises(MerklePathError):
        check(parameters, made, commitment, 1, share=made.shares[2])
    with pytest.raises(MerklePathError):
        check(parameters, made, commitment, 1, share=made.shares[2], path=made.path(2))
    with pytest.raises(MerklePathError):
        check(parameters, made, commitment, 1, path=made.path(2))


@pytest.mark.parametrize("changes", [{"context": b"\x12" * 32}, {"dealer": b"\x23" * 20}])
def test_check_share__replayed_elsewhere__fails(small_key, randomness, changes):
    parameters = setup(6, 3, 2, 1)
    _, commitment, made = dealing_of(small_key, parameters, randomness)
    with pytest.raises(WitnessError):
        check(parameters, made, commitment, 1, **changes)


def test_challenge__each_input__changes_it(small_key, randomness):
    parameters = setup(6, 3, 2, 1)
    _, commitment, made = dealing_of(small_key, parameters, randomness)
    root = made.witness.root
    layout = parameters.layout
    found = {
        share_challenge(parameters, commitment, root, **WHO),
        share_challenge(parameters, commitment + commitment, root, **WHO),
        share_challenge(parameters, commitment, bytes(32), **WHO),
        share_challenge(parameters, commitment, root, **{**WHO, "context": bytes(32)}),
        share_challenge(parameters, commitment, root, **{**WHO, "dealer": bytes(20)}),
        share_challenge(replace(parameters, threshold=4), commitment, root, **WHO),
        share_challenge(setup(7, 3, 2, 1), commitment, root, **WHO),
        share_challenge(
            replace(parameters, layout=replace(layout, packing=4)), commitment, root, **WHO
        ),
    }
    assert len(found) == 8


def test_check_share__wrong_sizes__raise(small_key, randomness):
    parameters = setup(6, 3, 2, 1)
    _, commitment, made = dealing_of(small_key, parameters, randomness)
    with pytest.raises(ShareError, match="recipient has x coordinate 7"):
        check_share(parameters, 7, made.shares[1], made.path(1), made.witness, commitment, **WHO)
    with pytest.raises(LengthError):
        check(parameters, made, commitment, 1, share=FieldVector.zeros(31))
    with pytest.raises(LengthError):
        check(parameters, made, commitment, 1, path=made.path(1)[1:])
    honest = made.witness.polynomial.to_ints()
    for polynomial in (honest[:-1], [*honest, 0]):
        witness = replace(made.witness, polynomial=FieldVector.from_ints(polynomial))
        with pytest.raises(LengthError):
            check(parameters, made, commitment, 1, witness=witness)
    with pytest.raises(LengthError):
        check(parameters, made, small_key.commit(FieldVector.zeros(128)), 1)
    with pytest.raises(LengthError):
        check(parameters, made, commitment, 1, context=bytes(31))
    with pytest.raises(LengthError):
        check(parameters, made, commitment, 1, dealer=bytes(32))
    with pytest.raises(ShareError):
        made.path(7)


def test_parse_witness__bytes__round_trip_or_raise(small_key, randomness):
    parameters = setup(6, 3, 2, 1)
    _, _, made = dealing_of(small_key, parameters, randomness)
    data = made.witness.to_bytes()
    assert parse_witness(data, 4) == made.witness
    for wrong in (b"", data[:-1], data + b"\0", data[32:]):
        with pytest.raises(LengthError):
            parse_witness(wrong, 4)
    with pytest.raises(ScalarOverflowError) as caught:
        parse_witness(data[:64] + R.to_bytes(32, "big") + data[96:], 4)
    assert caught.value.index == 1
    with pytest.raises(NonCanonicalError):
        parse_witness(data[:-48] + bytes(48), 4)
    assert made.witness.opening.proof != curve.G1_INFINITY


@pytest.mark.parametrize(
    ("n", "t", "packing", "field"),
    [(5, 1, 1, "threshold"), (5, 6, 1, "recipients"), (5, 3, 4, "recipients")],
)
def test_parameters__cannot_work__raise(n, t, packing, field):
    with pytest.raises(RangeError) as caught:
        setup(n, t, packing, 1)
    assert caught.value.field == field


def test_parameters__bad_coordinates__raise():
    for xs in ([0, 1, 2], [-1, 1, 2], [1, 2, 2**32]):
        with pytest.raises(RangeError):
            setup(3, 2, 1, 1, xs)
    with pytest.raises(ShareError):
        setup(3, 2, 1, 1, [1, 2, 2])


def test_deal__vector_of_another_layout__raises(small_key, randomness):
    parameters = setup(6, 3, 2, 1)
    vector = FieldVector.zeros(128)
    with pytest.raises(LengthError):
        deal(small_key, parameters, vector, small_key.commit(vector), randomness=randomness, **WHO)


def test_repr__dealing__hides_the_shares(small_key, randomness):
    _, _, made = dealing_of(small_key, setup(6, 3, 2, 1), randomness)
    assert repr(made) == "Dealing(recipients=6, <hidden>)"
