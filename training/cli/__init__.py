"""Sub-commands of ``seamwatch`` that need the training package."""
