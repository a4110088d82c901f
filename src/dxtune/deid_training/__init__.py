"""How the scorer of dxtune.deid is made: template families, the values that fill them, and the fit. Not used by a stage."""
