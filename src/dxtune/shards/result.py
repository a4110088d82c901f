"""What comes out of a shard. It stands alone, so that who makes one does not depend on how functions are mapped."""

from typing import Any, NamedTuple

import polars as pl


class Result(NamedTuple):
    """What a function makes of one shard: tables, by name, and facts that JSON can hold, such as counts."""

    tables: dict[str, pl.DataFrame]
    facts: dict[str, Any]
