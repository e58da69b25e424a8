"""What every client needs, and no more than Krita's Python has: find the server, talk to it, lose nothing."""
