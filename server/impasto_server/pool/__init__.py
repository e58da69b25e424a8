"""Workers behind one interface: where jobs run, and what the front hears of them."""
