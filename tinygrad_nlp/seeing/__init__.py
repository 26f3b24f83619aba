"""Backpropagation made visible: explain, watch, preflight, and the map of gradients through time."""
