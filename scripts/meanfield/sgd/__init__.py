"""One-pass stochastic gradient descent: a plain reference and a compiled engine."""
