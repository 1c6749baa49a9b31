"""Trains, measures and exports the tiny models: what shows attention sinks, and its controls."""

import os

# Read by jax when it is first imported, which the modules of this package do later. One thread a matrix product is one
# source fewer of differences between machines; training/README.md says what remains.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")
