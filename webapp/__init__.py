"""What people meet: the ``halfmap`` command. It starts the engine and never imports it."""
