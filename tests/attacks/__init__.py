"""Attacks as data, and the runner that plays them against a real app. The format is in ``README.md``."""
