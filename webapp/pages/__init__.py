"""The pages: one for each address, given a store to read from."""
