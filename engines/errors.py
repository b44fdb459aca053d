"""Root of the error tree, and the errors of models and engines."""

from __future__ import annotations


class SeamwatchError(Exception):
    """Base of every error that Seamwatch raises on purpose.

    Args:
        message: What is wrong, in words a user understands.
        fix: What the user can do about it, as one imperative sentence.
    """

    def __init__(self, message: str, *, fix: str) -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.message} {self.fix}"


class ModelStoreError(SeamwatchError):
    """A model is missing, damaged, or no source can deliver it."""


class EngineError(SeamwatchError):
    """An engine cannot be loaded, disagrees with its contract, or failed while running."""
