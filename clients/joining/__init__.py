"""Joining calls: one small adapter per kind of call, behind one protocol."""
