"""The processes, composed of all modules: the API, the worker, the live gateway, and what development adds."""
