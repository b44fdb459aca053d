"""Measures how well the shipped pipeline tells fakes from genuine clips."""
