"""Compiled loops over arrays of words. They know no protocol, and check no shape or bound."""
