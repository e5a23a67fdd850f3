"""Keras models, the compiled training epoch and the Ray Tune adapter."""
