"""Model card, data card and one self-contained HTML report, from the metrics alone. No torch here."""
