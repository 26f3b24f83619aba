"""Backpropagation made visible: explain, watch, preflight, summary, profile, and the map of gradients through time."""
