"""Commands of networks that draw."""
