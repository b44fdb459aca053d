"""Carrying alerts from the store to webhooks, the call's data channel and standard output."""
