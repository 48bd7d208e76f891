"""Where numbers lie while native code runs, how much there may be, and who watches over it."""
