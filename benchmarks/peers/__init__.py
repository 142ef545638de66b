"""Other servers around the same graphs, as their readers would write them, to compare with."""
