"""The same work on other tools, each in an environment of its own: ``python -m bench.peers``."""
