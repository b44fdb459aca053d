"""How late scores are: from the arrival of a window's last sample to its score on the WebSocket."""
