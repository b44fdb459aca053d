"""How well fakes are told from genuine clips, and whether a change of the program changed a verdict."""
