"""The tamper benchmark: recordings of real people, altered in known ways, with the truth beside each file."""
