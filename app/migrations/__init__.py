"""The schema's history, one dated file a step, and how a database is brought up to date."""
