"""Where a model, a file or a metric came from, back through dvc.lock to the source: `dxtune lineage`. No torch."""

from dxtune.lineage.prov import as_prov
from dxtune.lineage.show import as_json, as_text
from dxtune.lineage.trace import trace

__all__ = ["as_json", "as_prov", "as_text", "trace"]
