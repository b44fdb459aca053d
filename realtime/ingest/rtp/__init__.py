"""The receive path of one RTP track as state machines: packets and time in, frames and requests out."""
