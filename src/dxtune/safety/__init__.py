"""Notes written otherwise, what the weights give away, which words an answer rests on, for whom the model is wrong."""
