"""Who may come in and how: accounts, sessions, the gate in front of every address, and the pages about them."""
