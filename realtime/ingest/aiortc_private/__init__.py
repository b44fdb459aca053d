"""All that touches the private parts of aiortc, aioice and pylibsrtp; aiortc is pinned to 1.16 for it.

aiortc's own receive path stands still at the first lost packet, so packets go to ``realtime.ingest.rtp`` and
frames to ``realtime.ingest.decoder`` instead; what is left to aiortc is the transport, the routing of packets
of sources that nobody has opened yet, bandwidth estimation and the sending of RTCP.
"""
