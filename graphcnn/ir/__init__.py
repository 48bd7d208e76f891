"""The intermediate representation: types, nodes, graphs (level 1); plans over memory (level 2)."""
