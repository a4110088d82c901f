"""`dxtune sweep`: Optuna chooses the settings, each trial is a DVC experiment, validation decides. No torch here."""
