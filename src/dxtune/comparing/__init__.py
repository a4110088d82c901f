"""Two revisions, commits or experiments, note by note on the same test notes: what `dxtune compare` says. No torch."""
