"""What a model makes of notes that are written otherwise, and what its weights give away: from answers and losses. No torch."""
