"""The steps by which a database comes up to date, one module each; `db.migrate` runs them."""
