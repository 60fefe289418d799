"""One orchestrator per job; they own files, devices and processes."""
