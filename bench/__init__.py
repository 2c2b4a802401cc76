"""Benchmarks: `make bench` and `make bench-full`."""
