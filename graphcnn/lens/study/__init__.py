"""Study: what filters, maps and units are, and do over a data set."""
