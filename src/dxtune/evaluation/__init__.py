"""What the model reaches, how sure that is, and beside what. No torch here."""
