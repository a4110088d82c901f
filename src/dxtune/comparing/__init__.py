"""Two revisions, commits or experiments, note by note on the same test notes: what `dxtune compare` says. No torch."""

from dxtune.comparing.compare import compare
from dxtune.comparing.page import as_page
from dxtune.comparing.show import as_json, as_markdown, as_text

__all__ = ["as_json", "as_markdown", "as_page", "as_text", "compare"]
