"""Calls in several processes: what they say does not depend on which of them is faster."""

import pytest

from dxtune.errors import DataError
from dxtune.shards.workers import call_all
from tests.shards.work import refuse_after


def test_of_several_errors_that_of_the_first_job_is_raised() -> None:
    with pytest.raises(DataError, match="the first"):
        list(call_all(refuse_after, [(0, (1.0, "the first")), (1, (0.0, "the second"))], 2))
