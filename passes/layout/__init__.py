"""How values lie in memory, and which algorithm each operator runs by."""
