"""The machine code of the operators, one family per file. Importing fills the registry."""
