"""Measurements of the daemon beside a minimal reference: ``python -m bench``. Tables, no verdicts."""
