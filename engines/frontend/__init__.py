"""Pre- and post-processing that training and run time share, so that the two cannot drift apart."""
