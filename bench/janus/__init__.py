"""A call as people have it: a Janus VideoRoom in a network of its own, and Chromium participants."""
