"""The tables. A module per subject; `db.models.all` knows every one of them."""
