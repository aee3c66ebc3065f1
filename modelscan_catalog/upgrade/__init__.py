"""Trying a successor of a model out on real requests, and deciding by evidence whether it takes over."""
