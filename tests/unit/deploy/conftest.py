"""Assertions of shared claims show their values, as those of tests do."""

import pytest

pytest.register_assert_rewrite("kserve_claims")
