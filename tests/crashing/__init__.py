"""The daemon, its keeper and its stages killed at each of their system calls: ``python -m tests.crashing``."""
