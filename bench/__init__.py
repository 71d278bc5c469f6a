"""Measures the mesh against a bare handler and a conventional service, in one run on one machine."""
