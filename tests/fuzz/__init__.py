"""Fuzzing: arbitrary input for everything that parses. Only documented exceptions may come out."""
