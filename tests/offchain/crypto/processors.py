"""What a processor may lack."""

import pytest

from offchain.crypto.kernels import lanes

IN_LANES = pytest.param(
    "lanes",
    marks=pytest.mark.skipif(not lanes.available(), reason="this processor has no AVX-512 IFMA"),
)
"""A parameter of tests: by vectors of eight."""
