"""Mean-field theory of wide two-layer networks: SGD, its limit, and the measures between them."""
