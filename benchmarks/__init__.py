"""Measurements: ceilings, served rates, other servers, a GPU, capacity.

Run its modules; importing the package itself loads none of them.
"""
