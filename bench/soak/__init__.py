"""Whether anything grows while calls last: hours in virtual time, and half an hour over real WebRTC."""
