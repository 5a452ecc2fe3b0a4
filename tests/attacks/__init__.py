"""Attacks as data, and the runner that plays them against a real app. The format is in ``README.md``."""

import pytest

# So that a failed assertion shows its values.
pytest.register_assert_rewrite(f"{__name__}.expectation", f"{__name__}.play_http")
