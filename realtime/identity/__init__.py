"""Who a participant is, compared with the start of the call and with a given reference."""
