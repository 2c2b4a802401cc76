import pytest

from offchain.crypto.errors import RangeError
from offchain.crypto.sharing import recommended


def test_recommended__small_cluster__a_majority_reconstructs_plain_shares():
    for devices in range(3, 16):
        packing, threshold = recommended(devices)
        assert packing == 1
        assert devices / 2 < threshold < devices, devices


def test_recommended__from_16_devices_on__a_third_may_fail_and_a_third_may_collude():
    for devices in range(16, 1025):
        packing, threshold = recommended(devices)
        assert threshold + packing - 1 <= devices - devices // 3, devices
        assert max(2, devices / 3) <= threshold < devices, devices
        assert packing & (packing - 1) == 0
        assert 1 <= packing <= min(16, devices / 3), devices


@pytest.mark.parametrize(
    ("devices", "expected"),
    [
        (3, (1, 2)),
        (8, (1, 5)),
        (16, (4, 8)),
        (25, (8, 10)),
        (32, (8, 15)),
        (64, (16, 28)),
        (256, (16, 156)),
    ],
)
def test_recommended__sizes_of_the_documentation__as_there(devices, expected):
    assert recommended(devices) == expected


def test_recommended__too_few_devices__raises():
    with pytest.raises(RangeError) as caught:
        recommended(2)
    assert (caught.value.value, caught.value.low) == (2, 3)
