"""The sequential decision: from windows' values to an alarm with a stated false-alarm rate."""
